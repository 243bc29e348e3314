import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openSqlite } from '../../../src/database/sqlite-connections.ts'
import { directoryEditorConformance } from './editor.ts'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'editor-sqlite-'))
})
afterAll(() => rm(folder, { recursive: true }))

directoryEditorConformance('SQLite in memory', (clock) => openSqlite(':memory:', clock))
directoryEditorConformance('a SQLite file', (clock) => openSqlite(join(folder, `${files++}.db`), clock))
