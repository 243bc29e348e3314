import { sql, type ColumnType } from 'kysely'
import { recordAudit, type AuditSchema } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import type { Connections } from '../database/connections.ts'

type Bigint = ColumnType<bigint | string | number, bigint, bigint>

export interface SteeringSchema extends AuditSchema {
  steering: { name: SteeringName; version: Bigint; value: string }
}

export type SteeringName = 'regions' | 'shed'

/** A row as it is stored; `version` counts its changes, and `value` is JSON. */
export interface SteeringRow {
  readonly name: SteeringName
  readonly version: number
  readonly value: unknown
}

/** What a change makes of a row; undefined: nothing. */
export interface SteeringChange {
  readonly value: unknown
  readonly action: string
  readonly subject: string
  readonly details: Readonly<Record<string, unknown>>
}

/** How a fleet is steered, as the database has it. Every method rejects when the database cannot be asked. */
export interface SteeringStore {
  /** Every row whose version is not the one that is known. One statement. */
  read(known: Readonly<Record<SteeringName, number>>): Promise<SteeringRow[]>
  /**
   * Changes a row: `change` is given what stands there, with nobody else changing it meanwhile. The new version and
   * the audit entry are written together with it. Returns the row as it is now. A row nobody has written yet has
   * version 0 and no value.
   */
  write(
    name: SteeringName,
    author: string,
    change: (now: { readonly version: number; readonly value: unknown }) => SteeringChange | undefined,
  ): Promise<SteeringRow>
}

export function createSteeringStore<Schema>(
  connections: Pick<Connections<Schema>, 'lookUps' | 'writes'>,
  { clock }: { clock: Clock },
): SteeringStore {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the same database, whose migrations made them
  const { lookUps, writes } = connections as unknown as Connections<SteeringSchema>
  return {
    async read({ regions, shed }) {
      const rows = await lookUps
        .selectFrom('steering')
        .selectAll()
        .where((eb) =>
          eb.or([
            eb.and([eb('name', '=', 'regions'), eb('version', '<>', BigInt(regions))]),
            eb.and([eb('name', '=', 'shed'), eb('version', '<>', BigInt(shed))]),
          ]),
        )
        .execute()
      return rows.map(({ name, version, value }) => ({ name, version: Number(version), value: JSON.parse(value) }))
    },

    write: (name, author, change) =>
      writes.transaction().execute(async (trx) => {
        // Changes nothing, and on every database keeps other writers of this row out until the end of the transaction.
        const locked = await trx
          .insertInto('steering')
          .values({ name, version: 0n, value: 'null' })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ version: sql`steering.version` }))
          .returning(['version', 'value'])
          .executeTakeFirstOrThrow()
        const before = { version: Number(locked.version), value: JSON.parse(locked.value) as unknown }
        const changed = change(before)
        if (changed === undefined) return { name, ...before }
        const { value, ...entry } = changed
        const version = before.version + 1
        await trx
          .updateTable('steering')
          .set({ version: BigInt(version), value: JSON.stringify(value) })
          .where('name', '=', name)
          .execute()
        await recordAudit(trx, { ...entry, author, at: clock.now() })
        return { name, version, value }
      }),
  }
}
