import { randomUUID } from 'node:crypto'
import type { ColumnType } from 'kysely'
import type { Connections } from './connections.ts'

interface SteeringSchema {
  steering: { name: string; version: ColumnType<bigint | string, bigint, bigint>; value: string }
}

const NAME = 'database'

/** What tells this database from every other one: drawn when it is first asked for, and never changed. */
export async function readDatabaseId<Schema>(
  connections: Pick<Connections<Schema>, 'lookUps' | 'writes'>,
): Promise<string> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of this database, whose migrations made the table
  const { lookUps, writes } = connections as unknown as Connections<SteeringSchema>
  const known = lookUps.selectFrom('steering').select('value').where('name', '=', NAME)
  const before = await known.executeTakeFirst()
  if (before !== undefined) return before.value
  // Of several that ask at once, one is heard.
  await writes
    .insertInto('steering')
    .values({ name: NAME, version: 1n, value: randomUUID() })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  return (await known.executeTakeFirstOrThrow()).value
}
