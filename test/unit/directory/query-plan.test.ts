import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompiledQuery } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Connections } from '../../../src/database/connections.ts'
import { migrate } from '../../../src/database/migrations.ts'
import { openSqlite } from '../../../src/database/sqlite-connections.ts'
import { compileLookUps } from '../../../src/directory/find-installation.ts'
import type { DirectorySchema } from '../../../src/directory/schema.ts'
import { createManualClock } from '../../support/manual-clock.ts'

let folder: string
let connections: Connections<DirectorySchema>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plan-'))
  connections = await openSqlite<DirectorySchema>(join(folder, 'plan.db'), createManualClock())
  await connections.aside((db) => migrate(db))
})
afterAll(async () => {
  await connections.close()
  await rm(folder, { recursive: true })
})

describe('the time a look-up takes', () => {
  it.each([
    ['active', 'byId', '(id=?)'],
    ['active', 'byExternalId', '(provider=? AND external_id=?)'],
    ['all', 'byId', '(id=?)'],
    ['all', 'byExternalId', '(provider=? AND external_id=?)'],
  ] as const)('does not grow with the directory: %s organizations, %s', async (organizations, by, key) => {
    const { sql } = compileLookUps(connections.lookUps, organizations)[by]
    const { rows } = await connections.lookUps.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`explain query plan ${sql}`),
    )
    const steps = rows.map(({ detail }) => detail)
    const searched = steps.flatMap((step) => {
      const [, table = '', columns] = /^SEARCH (\w+) USING .*INDEX \w+ (\(.*\))/.exec(step) ?? []
      return columns === undefined ? [] : [`${table} ${columns}`]
    })
    // By all of what names them, so that it is not a provider's every integration that is read.
    expect(new Set(searched)).toEqual(
      new Set([`integrations ${key}`, 'link (integration_id=?)', 'organization (id=?)']),
    )
    expect(steps.filter((step) => /^SCAN (integrations|link|organization)\b/.test(step))).toEqual([])
  })
})
