import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAudit } from '../../../src/audit/audit.ts'
import type { Connections } from '../../../src/database/connections.ts'
import { migrate } from '../../../src/database/migrations.ts'
import { importFile, type ImportOptions } from '../../../src/directory/import.ts'
import { ImportRefused } from '../../../src/directory/import-file.ts'
import type { DirectorySchema } from '../../../src/directory/schema.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { whileTimePasses } from '../../support/steps.ts'

interface Opened {
  readonly connections: Connections<DirectorySchema>
  /** Resolves when somebody waits for another's change of the directory. */
  waits(): Promise<void>
}

/** What an import leaves behind for others to go by. `open` gives an empty database, which is closed here. */
export function directoryImportConformance(name: string, open: (clock: ManualClock) => Promise<Opened>): void {
  describe(`an import on ${name}`, () => {
    const now = 1_750_000_000_000
    let clock: ManualClock
    let folder: string
    let opened: Opened
    beforeEach(async () => {
      clock = createManualClock({ now })
      folder = await mkdtemp(join(tmpdir(), 'import-'))
      opened = await open(clock)
      await opened.connections.aside((db) => migrate(db))
    })
    afterEach(async () => {
      await opened.connections.close()
      await rm(folder, { recursive: true })
    })

    const rows = [
      '{"integrations":{"id":1,"provider":"slack","external_id":"T1"}}',
      '{"integrations":{"id":2,"provider":"slack","external_id":"T2"}}',
      '{"organizations":{"id":10,"slug":"acme","region":"us"}}',
      '{"organizations":{"id":11,"slug":"beta","region":"us"}}',
      '{"organization_integrations":{"integration_id":1,"organization_id":10}}',
    ]

    async function imported(lines: readonly string[], options: Partial<ImportOptions> = {}) {
      const path = join(folder, 'rows.ndjson')
      await writeFile(path, lines.join('\n'))
      return await opened.connections.aside((db) => importFile(db, path, { clock, author: 'ada', ...options }))
    }

    async function versions() {
      const { lookUps } = opened.connections
      const of = async (table: 'integrations' | 'organizations') => {
        const found = await lookUps.selectFrom(table).select(['id', 'version']).orderBy('id').execute()
        return found.map(({ id, version }) => [Number(id), Number(version)])
      }
      const links = await lookUps.selectFrom('organization_integrations').select('version').execute()
      const state = await lookUps.selectFrom('directory_state').select('version').executeTakeFirstOrThrow()
      return {
        directory: Number(state.version),
        integrations: await of('integrations'),
        organizations: await of('organizations'),
        links: links.map(({ version }) => Number(version)),
      }
    }

    it('gives every new row the version that it gives the directory', async () => {
      await imported(rows)
      expect(await versions()).toEqual({
        directory: 1,
        integrations: [
          [1, 1],
          [2, 1],
        ],
        organizations: [
          [10, 1],
          [11, 1],
        ],
        links: [1],
      })
    })

    it('gives rows that change a new version, and leaves the others theirs', async () => {
      await imported(rows)
      await imported([...rows.slice(0, 3), '{"organizations":{"id":11,"slug":"beta","region":"eu"}}', rows[4] ?? ''])
      expect(await versions()).toEqual({
        directory: 2,
        integrations: [
          [1, 1],
          [2, 1],
        ],
        organizations: [
          [10, 1],
          [11, 2],
        ],
        links: [1],
      })
    })

    it('leaves the version alone when nothing changes', async () => {
      await imported(rows)
      await imported(rows)
      expect(await versions()).toMatchObject({ directory: 1 })
    })

    it('leaves no trace when it is refused', async () => {
      await expect(imported([...rows, '{"id":12,"slug":"x"}'])).rejects.toThrow(ImportRefused)
      expect(await versions()).toEqual({ directory: 0, integrations: [], organizations: [], links: [] })
      expect(await readAudit(opened.connections.lookUps, { limit: 10 })).toEqual([])
    })

    it('keeps nobody from writing while the file is read and held against the directory', async () => {
      await imported(rows)
      const { writes, lookUps } = opened.connections
      const writing: Promise<unknown>[] = []
      await imported(rows, {
        onProgress({ step }) {
          if (step === 'apply') return
          const of = { integration_id: 1n, external_user_id: `${step} ${writing.length}` }
          writing.push(
            writes
              .insertInto('identities')
              .values({ ...of, user_name: 'ada', created_at: 0n })
              .execute(),
          )
        },
      })
      await Promise.all(writing)
      const written = await lookUps.selectFrom('identities').select('external_user_id').execute()
      expect(written.map((row) => row.external_user_id)).toEqual(expect.arrayContaining(['read 0', 'check 3']))
    })

    it('is audited with its author, its rows and what it changed', async () => {
      await imported(rows)
      await imported(['{"organizations":{"id":11,"slug":"beta","region":"eu"}}'], { author: 'bob' })
      const [second, first] = await readAudit(opened.connections.lookUps, { limit: 10 })
      expect(first).toMatchObject({
        at: now,
        author: 'ada',
        action: 'directory.import',
        subject: 'directory',
        details: {
          file: 'rows.ndjson',
          rows: { integrations: 2, organizations: 2, organization_integrations: 1 },
          changed: { integrations: 2, organizations: 2, organization_integrations: 1 },
        },
      })
      expect(second).toMatchObject({
        author: 'bob',
        details: { changed: { integrations: 0, organizations: 1, organization_integrations: 0 } },
      })
    })

    /** An import that has been checked by the time another changes the directory, and goes on once that is done. */
    async function overtaken(
      lines: readonly string[],
      by: (trx: Connections<DirectorySchema>['writes']) => Promise<unknown>,
    ) {
      let importing: Promise<unknown> | undefined
      await opened.connections.writes.transaction().execute(async (trx) => {
        await trx.updateTable('directory_state').set({ version: 5n }).execute()
        importing = imported(lines).catch((error: unknown) => error)
        await opened.waits()
        await by(trx)
      })
      return await whileTimePasses(clock, importing ?? Promise.resolve())
    }

    it('holds its rows against the directory again when that has changed since', async () => {
      await imported(rows)
      await overtaken(rows, (trx) =>
        trx.updateTable('organizations').set({ region: 'eu' }).where('id', '=', 11n).execute(),
      )
      const { lookUps } = opened.connections
      const beta = lookUps.selectFrom('organizations').select(['region', 'version', 'epoch']).where('id', '=', 11n)
      const { region, version, epoch } = await beta.executeTakeFirstOrThrow()
      expect([region, Number(version), Number(epoch)]).toEqual(['us', 6, 1])
    })

    it('is refused when what it refers to has gone since', async () => {
      await imported(rows)
      const refused = await overtaken(
        ['{"organization_integrations":{"integration_id":2,"organization_id":11}}'],
        (trx) => trx.deleteFrom('organizations').where('id', '=', 11n).execute(),
      )
      expect(refused).toBeInstanceOf(ImportRefused)
      expect(String(refused)).toContain('rows.ndjson:1 organization_id names organization 11, which does not exist')
      expect((await versions()).links).toEqual([1])
    })
  })
}
