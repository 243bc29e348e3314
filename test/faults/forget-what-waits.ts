import type { Spool } from '../../src/spool/spool.ts'
import { openSqliteSpool as open } from '../../src/spool/sqlite/sqlite-spool.ts'

/** Stands in for the module that keeps what waits. */
export async function openSqliteSpool(path: string, options: Parameters<typeof open>[1]): Promise<Spool> {
  const spool = await open(path, options)
  let rows = 0
  return {
    ...spool,
    append: (given) => Promise.resolve(given.map(() => ({ kind: 'stored', id: ++rows, mailbox: 1_000_000 + rows }))),
  }
}
