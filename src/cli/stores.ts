import { randomUUID } from 'node:crypto'
import { systemClock } from '../clock.ts'
import { coreVariables } from '../config/environment.ts'
import { requireVariables } from '../config/required.ts'
import { openDirectory, type Database, type DirectoryStore } from '../directory/store.ts'
import type { Spool } from '../spool/spool.ts'
import { openDirectSpool } from '../spool/sqlite/direct-spool.ts'

/** Runs a command on the directory of DATABASE_URL. */
export async function withDirectory<Result>(run: (store: DirectoryStore) => Promise<Result>): Promise<Result> {
  const { DATABASE_URL } = requireVariables(coreVariables.pick({ DATABASE_URL: true }))
  const store = await openDirectory(DATABASE_URL, { clock: systemClock })
  try {
    return await run(store)
  } finally {
    await store.close()
  }
}

/** Runs a command on what waits in the database of DATABASE_URL. */
export async function withSpool<Result>(run: (spool: Spool) => Promise<Result>): Promise<Result> {
  const { DATABASE_URL } = requireVariables(coreVariables.pick({ DATABASE_URL: true }))
  const spool = await open(DATABASE_URL)
  try {
    return await run(spool)
  } finally {
    await spool.close()
  }
}

async function open(database: Database): Promise<Spool> {
  if (database.kind === 'sqlite') return openDirectSpool(database.path, { clock: systemClock })
  const { openPostgresSpool } = await import('../spool/postgres/postgres-spool.ts')
  return openPostgresSpool(database, { clock: systemClock, instance: randomUUID() })
}

/** Who a command is to the audit, where no gateway runs that would know better. */
export const COMMAND_LINE = 'command line'
