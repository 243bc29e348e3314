import { sql, type Transaction } from 'kysely'
import type { DirectorySchema } from './schema.ts'

/**
 * Counts the directory's version up, and gives the new one. Whoever changes the directory begins with this: the row is
 * theirs until they are done, so that changes take effect in the order of their versions.
 */
export async function countUp(trx: Transaction<DirectorySchema>): Promise<number> {
  const { version } = await trx
    .updateTable('directory_state')
    .set({ version: sql<bigint>`version + 1` })
    .returning('version')
    .executeTakeFirstOrThrow()
  return Number(version)
}

/** For whoever has changed nothing after all: nobody need ask again. */
export async function countBack(trx: Transaction<DirectorySchema>): Promise<void> {
  await trx
    .updateTable('directory_state')
    .set({ version: sql<bigint>`version - 1` })
    .execute()
}
