import { parentPort, workerData } from 'node:worker_threads'
import type { Kysely } from 'kysely'
import { openExisting, type DatabaseSync } from '../database/sqlite.ts'
import { kyselyOver } from '../database/sqlite-connections.ts'
import type { FromThread, ToThread } from './file-writer.ts'
import { eraseFromSome, removeOldest, writeBatch, type RecordSchema } from './record-tables.ts'

/*
 * The thread that writes records to a file: it may wait for the spool's thread, another process or the disk, where the
 * main thread never does.
 */

/** How long it waits for others' locks. */
const WAIT_MS = 5000

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- file-writer.ts starts it with this
const { path } = workerData as { path: string }
if (parentPort === null) throw new Error('this is no main program')
const port = parentPort
let opened: { readonly file: DatabaseSync; readonly db: Kysely<RecordSchema> } | undefined
let before: Promise<void> = Promise.resolve()

port.on('message', (message: ToThread) => {
  // One after the other: there is one connection.
  before = before.then(() => carryOut(message))
})

async function carryOut(message: ToThread): Promise<void> {
  if (message.kind === 'end') {
    disconnect()
    port.close()
    return
  }
  const { id } = message
  try {
    const { db } = (opened ??= connect())
    post({ id, result: await resultOf(message, db) })
  } catch (error) {
    // The file may have been replaced, or put right.
    disconnect()
    post({ id, error: error instanceof Error ? error.message : String(error) })
  }
}

function resultOf(message: Exclude<ToThread, { kind: 'end' }>, db: Kysely<RecordSchema>): Promise<unknown> {
  switch (message.kind) {
    case 'write':
      return writeBatch(db, message.batch)
    case 'sweep':
      return removeOldest(db, message.limits)
    case 'erase':
      return eraseFromSome(db, message.from)
  }
}

function post(message: FromThread): void {
  port.postMessage(message)
}

function connect() {
  const file = openExisting(path, WAIT_MS)
  // What is in the log is safe from a crash of this process; that of a machine may take the last records.
  file.exec('PRAGMA synchronous = NORMAL')
  // What is erased is not to be found in the file either.
  file.exec('PRAGMA secure_delete = ON')
  return { file, db: kyselyOver<RecordSchema>(file) }
}

function disconnect(): void {
  const { file } = opened ?? {}
  opened = undefined
  try {
    file?.close()
  } catch {
    // It is left because it fails.
  }
}
