import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/clock.ts'
import type { InstallationKey } from '../../../src/directory/directory.ts'
import type { ImportProgress } from '../../../src/directory/import.ts'
import { ImportRefused } from '../../../src/directory/import-file.ts'
import type { DirectoryStore } from '../../../src/directory/store.ts'
import { createManualClock } from '../../support/manual-clock.ts'

interface Rows {
  readonly integrations?: readonly Record<string, unknown>[]
  readonly organizations?: readonly Record<string, unknown>[]
  readonly organization_integrations?: readonly Record<string, unknown>[]
}

const slack = (row: Record<string, unknown>) => ({ provider: 'slack', ...row })
const organization = (id: number | string, row: Record<string, unknown> = {}) => ({
  id,
  slug: `org-${id}`,
  region: 'us',
  ...row,
})
const link = (integration_id: number | string, organization_id: number | string, status = 'active') => ({
  integration_id,
  organization_id,
  status,
})
const workspace = (externalId: string, more: { appId?: string; enterpriseId?: string } = {}): InstallationKey => ({
  by: 'external',
  provider: 'slack',
  appId: '',
  externalId,
  ...more,
})

/** What every directory store does, whatever database is behind it. `open` gives an empty one, which is closed here. */
export function directoryStoreConformance(name: string, open: (clock: Clock) => Promise<DirectoryStore>): void {
  describe(`directory store on ${name}`, () => {
    const clock = createManualClock({ now: 1_750_000_000_000 })
    let folder: string
    let store: DirectoryStore

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'directory-'))
      store = await open(clock)
    })
    afterEach(async () => {
      await store.close()
      await rm(folder, { recursive: true })
    })

    async function importText(file: string, text: string, knownRegions = ['us', 'eu']) {
      const path = join(folder, file)
      await writeFile(path, text)
      const warnings: string[] = []
      const { counts, change } = await store.importFile(path, {
        author: 'ada',
        knownRegions: new Set(knownRegions),
        knownProviders: new Set(['slack']),
        onWarning: (warning) => warnings.push(warning.replace(`${folder}/`, '')),
      })
      return { counts, change, warnings }
    }
    const given = (rows: Rows) => importText('given.json', JSON.stringify(rows))

    /** The faults of an import that must be refused, without the folder's name. */
    async function faultsOf(file: string, text: string): Promise<string[]> {
      const refused: unknown = await importText(file, text).catch((error: unknown) => error)
      if (!(refused instanceof ImportRefused)) throw new Error('the import was not refused', { cause: refused })
      return refused.faults.map((fault) => fault.replace(`${folder}/`, ''))
    }

    async function exported(format?: 'json' | 'ndjson'): Promise<string> {
      let text = ''
      const sink = new Writable({
        write(chunk, _encoding, done) {
          text += String(chunk)
          done()
        },
      })
      await store.exportTo(sink, format)
      return text
    }

    const find = async (key: InstallationKey) => (await store.find(key)).installation
    const idFor = async (key: InstallationKey) => (await find(key))?.integration.id

    it('answers a ping', async () => {
      await expect(store.ping()).resolves.toBeUndefined()
    })

    describe('finding an installation', () => {
      it('gives the integration and its organizations', async () => {
        await given({
          integrations: [
            slack({
              id: 1,
              app_id: 'A1',
              external_id: 'T1',
              enterprise_id: 'E1',
              default_organization_id: 10,
              name: 'Acme',
            }),
          ],
          organizations: [organization(10, { slug: 'acme', name: 'Acme Inc', region: 'eu' })],
          organization_integrations: [link(1, 10)],
        })
        expect(await find(workspace('T1', { appId: 'A1' }))).toEqual({
          integration: {
            id: '1',
            provider: 'slack',
            appId: 'A1',
            externalId: 'T1',
            enterpriseId: 'E1',
            defaultOrganizationId: '10',
            name: 'Acme',
            status: 'active',
          },
          organizations: [
            { id: '10', slug: 'acme', name: 'Acme Inc', region: 'eu', status: 'active', epoch: 0, held: false },
          ],
        })
      })

      it('tells at which version of the directory it looked, whatever it found', async () => {
        const { change } = await given({ integrations: [slack({ id: 1, external_id: 'T1' })] })
        const version = change?.version
        expect(await store.find(workspace('T1'))).toMatchObject({ installation: { organizations: [] }, version })
        expect(await store.find(workspace('T2'))).toEqual({ installation: undefined, version })
        expect((await store.find({ by: 'id', provider: 'slack', id: '1' })).version).toBe(version)
      })

      it('gives nothing for a workspace nobody knows', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1' })] })
        expect(await find(workspace('T2', { appId: 'A1', enterpriseId: 'E1' }))).toBeUndefined()
      })

      it('keeps providers apart', async () => {
        await given({ integrations: [{ id: 1, provider: 'other', external_id: 'T1' }] })
        expect(await idFor(workspace('T1'))).toBeUndefined()
      })

      it('compares ids with their case', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1' })] })
        expect(await idFor(workspace('t1'))).toBeUndefined()
      })

      it('gives organizations in the order of their numbers, not of their digits', async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1' })],
          organizations: [organization(10), organization(9), organization('9223372036854775807')],
          organization_integrations: [link(1, '9223372036854775807'), link(1, 10), link(1, 9)],
        })
        const found = await find(workspace('T1'))
        expect(found?.organizations.map(({ id }) => id)).toEqual(['9', '10', '9223372036854775807'])
      })

      it('leaves out disabled links and disabled organizations', async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1' })],
          organizations: [organization(10), organization(11), organization(12, { status: 'disabled' })],
          organization_integrations: [link(1, 10), link(1, 11, 'disabled'), link(1, 12)],
        })
        const found = await find(workspace('T1'))
        expect(found?.organizations.map(({ id }) => id)).toEqual(['10'])
      })

      it('gives an integration without organizations as it is', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1' })] })
        expect((await find(workspace('T1')))?.organizations).toEqual([])
      })

      it('gives a disabled integration, marked as such', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1', status: 'disabled' })] })
        expect((await find(workspace('T1')))?.integration.status).toBe('disabled')
      })

      it('finds by id whatever the status, within the provider', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1', status: 'disabled' })] })
        expect(await idFor({ by: 'id', provider: 'slack', id: '1' })).toBe('1')
        expect(await idFor({ by: 'id', provider: 'other', id: '1' })).toBeUndefined()
        expect(await idFor({ by: 'id', provider: 'slack', id: '2' })).toBeUndefined()
      })

      it.each(['', '0', '00', '-1', '1.0', '9223372036854775808', '99999999999999999999', 'x'])(
        'finds nothing for %j, which can be no id',
        async (id) => {
          await given({ integrations: [slack({ id: 1, external_id: 'T1' })] })
          expect(await find({ by: 'id', provider: 'slack', id })).toBeUndefined()
        },
      )

      it.each([
        workspace('T1\0'),
        workspace('T1', { appId: 'A\0' }),
        workspace('T1', { enterpriseId: 'E\0' }),
        { by: 'id', provider: 'sl\0ck', id: '1' },
      ] as const)('finds nothing for a key with a NUL in it, which no database need store: %j', async (key) => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1' })] })
        expect(await find(key)).toBeUndefined()
      })

      it('takes a key with half a surrogate pair in it for no other text', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T\ufffd', enterprise_id: 'E\ufffd' })] })
        expect(await find(workspace('T\ud800'))).toBeUndefined()
        expect(await find(workspace('T1', { enterpriseId: 'T\ud800' }))).toBeUndefined()
        expect(await idFor(workspace('T\ufffd'))).toBe('1')
      })

      it('knows an id with zeros in front', async () => {
        await given({ integrations: [slack({ id: '0001', external_id: 'T1' })] })
        expect(await idFor({ by: 'id', provider: 'slack', id: '01' })).toBe('1')
      })

      it('carries ids of 64 bits without rounding', async () => {
        await given({
          integrations: [
            slack({ id: '9007199254740993', external_id: 'T1', default_organization_id: '9007199254740995' }),
          ],
          organizations: [organization('9007199254740995')],
          organization_integrations: [link('9007199254740993', '9007199254740995')],
        })
        const found = await find(workspace('T1'))
        expect(found?.integration.id).toBe('9007199254740993')
        expect(found?.integration.defaultOrganizationId).toBe('9007199254740995')
        expect(found?.organizations[0]?.id).toBe('9007199254740995')
      })
    })

    describe('inspecting an installation', () => {
      it('gives disabled links and organizations too, each as such', async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1', status: 'disabled' })],
          organizations: [
            organization(10),
            organization(11),
            organization(12, { status: 'disabled' }),
            organization(13),
          ],
          organization_integrations: [link(1, 10), link(1, 11, 'disabled'), link(1, 12)],
        })
        const found = await store.inspect(workspace('T1'))
        expect(found?.integration.status).toBe('disabled')
        expect(found?.organizations.map(({ id, status, linkStatus }) => [id, status, linkStatus])).toEqual([
          ['10', 'active', 'active'],
          ['11', 'active', 'disabled'],
          ['12', 'disabled', 'active'],
        ])
      })

      it('chooses as a look-up does', async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1' }), slack({ id: 2, app_id: 'A1', external_id: 'T1' })],
        })
        const chosen = async (key: InstallationKey) => (await store.inspect(key))?.integration.id
        expect(await chosen(workspace('T1', { appId: 'A1' }))).toBe('2')
        expect(await chosen(workspace('T1', { appId: 'A9' }))).toBe('1')
        expect(await chosen({ by: 'id', provider: 'slack', id: '2' })).toBe('2')
        expect(await chosen(workspace('T2'))).toBeUndefined()
      })
    })

    describe('choosing among apps', () => {
      it("prefers the app's own integration to one without an app", async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1' }), slack({ id: 2, app_id: 'A1', external_id: 'T1' })],
        })
        expect(await idFor(workspace('T1', { appId: 'A1' }))).toBe('2')
      })

      it('lets an integration without an app serve every app', async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1' }), slack({ id: 2, app_id: 'A1', external_id: 'T1' })],
        })
        expect(await idFor(workspace('T1', { appId: 'A9' }))).toBe('1')
      })

      it("never serves an app by another app's integration", async () => {
        await given({ integrations: [slack({ id: 2, app_id: 'A1', external_id: 'T1' })] })
        expect(await idFor(workspace('T1', { appId: 'A9' }))).toBeUndefined()
      })

      it('does not pass over a disabled integration of the app', async () => {
        await given({
          integrations: [
            slack({ id: 1, external_id: 'T1' }),
            slack({ id: 2, app_id: 'A1', external_id: 'T1', status: 'disabled' }),
          ],
        })
        expect(await idFor(workspace('T1', { appId: 'A1' }))).toBe('2')
      })

      it('takes the integration without an app when the app is not known', async () => {
        await given({
          integrations: [slack({ id: 1, app_id: 'A1', external_id: 'T1' }), slack({ id: 2, external_id: 'T1' })],
        })
        expect(await idFor(workspace('T1'))).toBe('2')
      })

      it('takes the only integration there is when the app is not known', async () => {
        await given({ integrations: [slack({ id: 1, app_id: 'A1', external_id: 'T1' })] })
        expect(await idFor(workspace('T1'))).toBe('1')
      })

      it('takes none when the app is not known and several apps could be meant', async () => {
        await given({
          integrations: [
            slack({ id: 1, app_id: 'A1', external_id: 'T1', enterprise_id: 'E1' }),
            slack({ id: 2, app_id: 'A2', external_id: 'T1', enterprise_id: 'E1' }),
            slack({ id: 3, external_id: 'E1' }),
          ],
        })
        expect(await idFor(workspace('T1', { enterpriseId: 'E1' }))).toBeUndefined()
      })
    })

    describe('falling back to the enterprise', () => {
      it("takes the enterprise's integration for a workspace that has none", async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'E1' })] })
        expect(await idFor(workspace('T1', { appId: 'A1', enterpriseId: 'E1' }))).toBe('1')
      })

      it("prefers the workspace's integration without an app to the enterprise's with it", async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1' }), slack({ id: 2, app_id: 'A1', external_id: 'E1' })],
        })
        expect(await idFor(workspace('T1', { appId: 'A1', enterpriseId: 'E1' }))).toBe('1')
      })

      it('does not fall back where the workspace has a disabled integration of its own', async () => {
        await given({
          integrations: [slack({ id: 1, external_id: 'T1', status: 'disabled' }), slack({ id: 2, external_id: 'E1' })],
        })
        expect(await idFor(workspace('T1', { enterpriseId: 'E1' }))).toBe('1')
      })

      it("chooses among the enterprise's integrations by app, as among the workspace's", async () => {
        await given({
          integrations: [
            slack({ id: 1, external_id: 'E1' }),
            slack({ id: 2, app_id: 'A1', external_id: 'E1' }),
            slack({ id: 3, app_id: 'A2', external_id: 'E1' }),
          ],
        })
        expect(await idFor(workspace('T1', { appId: 'A1', enterpriseId: 'E1' }))).toBe('2')
        expect(await idFor(workspace('T1', { appId: 'A9', enterpriseId: 'E1' }))).toBe('1')
      })

      it('knows the enterprise of a workspace from its integration of another app', async () => {
        await given({
          integrations: [
            slack({ id: 1, app_id: 'A1', external_id: 'T1', enterprise_id: 'E1' }),
            slack({ id: 2, app_id: 'A2', external_id: 'E1' }),
          ],
        })
        expect(await idFor(workspace('T1', { appId: 'A2' }))).toBe('2')
      })

      it('believes the enterprise of the request before the recorded one', async () => {
        await given({
          integrations: [
            slack({ id: 1, app_id: 'A1', external_id: 'T1', enterprise_id: 'E1' }),
            slack({ id: 2, external_id: 'E1' }),
            slack({ id: 3, external_id: 'E2' }),
          ],
        })
        expect(await idFor(workspace('T1', { appId: 'A9', enterpriseId: 'E2' }))).toBe('3')
      })

      it('never reaches an enterprise that nothing names', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'E1', enterprise_id: 'E1' })] })
        expect(await idFor(workspace('T1'))).toBeUndefined()
      })
    })

    describe('identities', () => {
      beforeEach(async () => {
        await given({
          integrations: [
            slack({ id: 1, external_id: 'T1', name: 'Acme' }),
            slack({ id: 2, external_id: 'T2', name: 'Gone', status: 'disabled' }),
          ],
        })
      })
      const ada = { integrationId: '1', externalUserId: 'U1', user: 'ada' }

      it('finds what was linked', async () => {
        await store.identities.link(ada)
        expect(await store.identities.find('1', 'U1')).toEqual(ada)
        expect(await store.identities.find('1', 'U2')).toBeUndefined()
        expect(await store.identities.find('2', 'U1')).toBeUndefined()
      })

      it('replaces a link to somebody else', async () => {
        await store.identities.link(ada)
        await store.identities.link({ ...ada, user: 'bob' })
        expect((await store.identities.find('1', 'U1'))?.user).toBe('bob')
      })

      it("unlinks the user's own link", async () => {
        await store.identities.link(ada)
        expect(await store.identities.unlink(ada)).toBe(true)
        expect(await store.identities.find('1', 'U1')).toBeUndefined()
        expect(await store.identities.unlink(ada)).toBe(false)
      })

      it("leaves somebody else's link alone", async () => {
        await store.identities.link(ada)
        expect(await store.identities.unlink({ ...ada, user: 'bob' })).toBe(false)
        expect(await store.identities.find('1', 'U1')).toEqual(ada)
      })

      it('refuses a link to an integration that does not exist', async () => {
        await expect(store.identities.link({ ...ada, integrationId: '3' })).rejects.toThrow(/foreign key/i)
        await expect(store.identities.link({ ...ada, integrationId: 'x' })).rejects.toThrow(RangeError)
      })

      it('names active integrations of the provider only', async () => {
        expect(await store.identities.integrationName('slack', '1')).toBe('Acme')
        expect(await store.identities.integrationName('slack', '2')).toBeUndefined()
        expect(await store.identities.integrationName('other', '1')).toBeUndefined()
        expect(await store.identities.integrationName('slack', 'x')).toBeUndefined()
      })

      it('survive an import of their integration', async () => {
        await store.identities.link(ada)
        await given({ integrations: [slack({ id: 1, external_id: 'T1', name: 'Renamed' })] })
        expect(await store.identities.find('1', 'U1')).toEqual(ada)
      })
    })

    describe('importing', () => {
      const acme: Rows = {
        integrations: [slack({ id: '1', external_id: 'T1', name: 'Acme', status: 'active' })],
        organizations: [{ id: '10', slug: 'acme', name: 'Acme', region: 'us', status: 'active' }],
        organization_integrations: [{ integration_id: '1', organization_id: '10', status: 'active' }],
      }

      it('counts the rows of the file', async () => {
        const { counts } = await given(acme)
        expect(counts).toEqual({ integrations: 1, organizations: 1, organization_integrations: 1 })
      })

      it('changes nothing when the same file comes again', async () => {
        await given(acme)
        const before = await exported()
        await given(acme)
        expect(await exported()).toBe(before)
      })

      it('replaces rows of the same id and keeps those the file does not name', async () => {
        await given({ ...acme, organizations: [...acme.organizations!, organization(11)] })
        await given({ organizations: [organization(10, { slug: 'renamed', status: 'disabled' })] })
        const { organizations } = JSON.parse(await exported()) as Required<Rows>
        expect(organizations.map(({ id, slug, status }) => [id, slug, status])).toEqual([
          ['10', 'renamed', 'disabled'],
          ['11', 'org-11', 'active'],
        ])
      })

      it('counts an organization as moved when its region changes, and only then', async () => {
        const epoch = async () => (await find(workspace('T1')))?.organizations[0]?.epoch
        await given(acme)
        await given({ organizations: [organization(10, { region: 'us', name: 'Other name' })] })
        expect(await epoch()).toBe(0)
        await given({ organizations: [organization(10, { region: 'eu' })] })
        expect(await epoch()).toBe(1)
        await given({ organizations: [organization(10, { region: 'us' })] })
        expect(await epoch()).toBe(2)
      })

      it('keeps an epoch that the file is ahead with, and never takes one back', async () => {
        const epoch = async () => (await find(workspace('T1')))?.organizations[0]?.epoch
        await given({ ...acme, organizations: [organization(10, { epoch: 7 })] })
        expect(await epoch()).toBe(7)
        await given({ organizations: [organization(10, { epoch: 3 })] })
        expect(await epoch()).toBe(7)
        await given({ organizations: [organization(10, { epoch: 7, region: 'eu' })] })
        expect(await epoch()).toBe(8)
      })

      it('tells of its change by the version that the directory has with it', async () => {
        const { change: first } = await given(acme)
        expect(first).toEqual({ version: first?.version, what: { kind: 'all' } })
        const { change: second } = await given({ organizations: [organization(10, { region: 'eu' })] })
        expect(second?.version).toBe((first?.version ?? 0) + 1)
      })

      it('is no change where every row is there already', async () => {
        const { change: first } = await given(acme)
        expect((await given(acme)).change).toBeUndefined()
        const { change } = await given({ organizations: [organization(10, { region: 'eu' })] })
        expect(change?.version).toBe((first?.version ?? 0) + 1)
      })

      it('keeps a hold that the file is silent about', async () => {
        const held = async () => (await find(workspace('T1')))?.organizations[0]?.held
        await given({ ...acme, organizations: [organization(10, { held: true })] })
        expect(await held()).toBe(true)
        await given({ organizations: [organization(10, { name: 'Renamed' })] })
        expect(await held()).toBe(true)
        expect(JSON.parse(await exported())).toHaveProperty('organizations.0.held', true)
      })

      it('holds an organization that is there already', async () => {
        await given(acme)
        await given({ organizations: [organization(10, { held: true })] })
        expect((await find(workspace('T1')))?.organizations[0]?.held).toBe(true)
      })

      it('refuses to end a hold', async () => {
        await given({ ...acme, organizations: [organization(10, { held: true })] })
        expect(await faultsOf('held.ndjson', '{"id":10,"slug":"acme","region":"us","held":false}')).toEqual([
          'held.ndjson:1 held must be true or left out: `directory move --release` ends a hold, not a file',
        ])
      })

      it('lets an integration take the workspace that another gives up in the same file', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1' })] })
        await given({ integrations: [slack({ id: 2, external_id: 'T1' }), slack({ id: 1, external_id: 'T9' })] })
        expect(await idFor(workspace('T1'))).toBe('2')
        expect(await idFor(workspace('T9'))).toBe('1')
      })

      it('takes a link to rows that are in the directory already', async () => {
        await given({ integrations: acme.integrations!, organizations: acme.organizations! })
        await given({ organization_integrations: acme.organization_integrations! })
        expect((await find(workspace('T1')))?.organizations).toHaveLength(1)
      })

      it('takes rows in any order', async () => {
        const { counts } = await importText(
          'any.ndjson',
          [
            '{"integration_id":1,"organization_id":10}',
            '{"id":1,"provider":"slack","external_id":"T1","default_organization_id":10}',
            '{"id":10,"slug":"acme","region":"us"}',
          ].join('\n'),
        )
        expect(counts).toEqual({ integrations: 1, organizations: 1, organization_integrations: 1 })
        expect((await find(workspace('T1')))?.organizations.map(({ id }) => id)).toEqual(['10'])
      })

      it('lets two integrations swap their workspaces', async () => {
        await given({ integrations: [slack({ id: 1, external_id: 'T1' }), slack({ id: 2, external_id: 'T2' })] })
        await given({ integrations: [slack({ id: 1, external_id: 'T2' }), slack({ id: 2, external_id: 'T1' })] })
        expect(await idFor(workspace('T1'))).toBe('2')
        expect(await idFor(workspace('T2'))).toBe('1')
      })

      it('accepts a provider the gateway does not have, with one warning for each', async () => {
        const { warnings } = await importText(
          'misspelt.ndjson',
          ['slack', 'Slack', 'Slack']
            .map((provider, index) => ({ id: index + 1, provider, external_id: `T${index}` }))
            .map((row) => JSON.stringify(row))
            .join('\n'),
        )
        expect(warnings).toEqual(['misspelt.ndjson:2 provider Slack is no provider of this gateway (integrations: 2)'])
        expect(JSON.parse(await exported())).toHaveProperty('integrations.length', 3)
      })

      it('accepts a region the regions file does not know, with one warning for each', async () => {
        const { warnings } = await importText(
          'mars.ndjson',
          [organization(1), organization(2, { region: 'mars' }), organization(3, { region: 'mars' })]
            .map((row) => JSON.stringify(row))
            .join('\n'),
        )
        expect(warnings).toEqual(['mars.ndjson:2 region mars is not in the regions file (organizations: 2)'])
        expect(JSON.parse(await exported())).toHaveProperty('organizations.length', 3)
      })

      it('takes more rows than one statement does', async () => {
        const rows = Array.from({ length: 4203 }, (_, index) => organization(index + 1))
        await importText('many.ndjson', rows.map((row) => JSON.stringify(row)).join('\n'))
        const { organizations } = JSON.parse(await exported()) as Required<Rows>
        expect(organizations.map(({ id }) => id)).toEqual(rows.map(({ id }) => String(id)))
      })

      it('shows its progress, up to the whole file', async () => {
        const path = join(folder, 'progress.ndjson')
        const text = Array.from({ length: 2100 }, (_, index) => JSON.stringify(organization(index + 1))).join('\n')
        await writeFile(path, text)
        const seen: ImportProgress[] = []
        await store.importFile(path, { author: 'ada', onProgress: (progress) => seen.push(progress) })
        expect(seen.map(({ step, rows }) => [step, rows])).toEqual([
          ['read', 2000],
          ['read', 2100],
          ['check', 2100],
          ['apply', 2100],
        ])
        expect(seen.at(-1)).toEqual({ step: 'apply', rows: 2100, bytesRead: text.length, bytesTotal: text.length })
      })

      it('has read all of a document before the first row is put in', async () => {
        const path = join(folder, 'progress.json')
        const text = JSON.stringify({ organizations: [organization(1)] })
        await writeFile(path, text)
        const seen: ImportProgress[] = []
        await store.importFile(path, { author: 'ada', onProgress: (progress) => seen.push(progress) })
        expect(seen[0]).toEqual({ step: 'read', rows: 1, bytesRead: text.length, bytesTotal: text.length })
      })

      it.each([
        {
          what: 'a link to an integration that does not exist',
          rows: ['{"integration_id":2,"organization_id":10}'],
          fault: 'broken.ndjson:2 integration_id names integration 2, which does not exist',
        },
        {
          what: 'a link to an organization that does not exist',
          rows: ['{"integration_id":1,"organization_id":11}'],
          fault: 'broken.ndjson:2 organization_id names organization 11, which does not exist',
        },
        {
          what: 'a default organization that does not exist',
          rows: ['{"id":2,"provider":"slack","external_id":"T2","default_organization_id":11}'],
          fault: 'broken.ndjson:2 default_organization_id names organization 11, which does not exist',
        },
        {
          what: 'a workspace that another integration has',
          rows: ['{"id":2,"provider":"slack","external_id":"T1"}'],
          fault: 'broken.ndjson:2 external_id T1 belongs to integration 1 already',
        },
        {
          what: 'a workspace that stands twice in the file',
          rows: ['{"id":2,"provider":"slack","external_id":"T2"}', '{"id":3,"provider":"slack","external_id":"T2"}'],
          fault: 'broken.ndjson:3 external_id T2 is in the file more than once for this app',
        },
        {
          what: 'an integration that stands twice in the file',
          rows: ['{"id":2,"provider":"slack","external_id":"T2"}', '{"id":2,"provider":"slack","external_id":"T3"}'],
          fault: 'broken.ndjson:3 id 2 is in the file more than once',
        },
        {
          what: 'an organization that stands twice in the file',
          rows: ['{"id":12,"slug":"a","region":"us"}', '{"id":12,"slug":"a","region":"eu"}'],
          fault: 'broken.ndjson:3 id 12 is in the file more than once',
        },
        {
          what: 'a link that stands twice in the file',
          rows: ['{"integration_id":1,"organization_id":10}', '{"integration_id":1,"organization_id":10}'],
          fault: 'broken.ndjson:3 organization_id 10 is linked to integration 1 more than once',
        },
        {
          what: 'a broken row',
          rows: ['{"id":"x","slug":"a","region":"us"}'],
          fault: 'broken.ndjson:2 id must be an integer from 1 to 2^53-1, or its digits as text up to 2^63-1',
        },
      ])('refuses $what by its line, and applies nothing of the file', async ({ rows, fault }) => {
        await given(acme)
        const before = await exported()
        const changed = '{"id":10,"slug":"changed","region":"eu"}'
        expect(await faultsOf('broken.ndjson', [changed, ...rows].join('\n'))).toEqual([fault])
        expect(await exported()).toBe(before)
      })

      it('names line and column of a fault that only the directory can see', async () => {
        const text = '{"organization_integrations": [\n  {"integration_id": 1, "organization_id": 2}]}'
        expect(await faultsOf('links.json', text)).toEqual([
          'links.json:2:22 organization_integrations[0].integration_id names integration 1, which does not exist',
        ])
      })

      it('imports after a refusal as if nothing had been', async () => {
        await faultsOf('broken.ndjson', '{"integration_id":1,"organization_id":10}')
        const { counts } = await given(acme)
        expect(counts.integrations).toBe(1)
      })
    })

    describe('exporting', () => {
      const name = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text))
      const id = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String)
      const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/)
      const status = fc.constantFrom('active', 'disabled')
      const inIdOrder = (a: { id: string }, b: { id: string }) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1)

      const directory = fc
        .uniqueArray(fc.record({ id, slug: word, name, region: word, status }), { selector: (row) => row.id })
        .chain((organizations) => {
          const anOrganization = organizations.map((row) => row.id)
          const integration = fc.record(
            {
              id,
              provider: fc.constantFrom('slack', 'other'),
              app_id: word,
              external_id: word,
              enterprise_id: word,
              ...(anOrganization.length > 0 && { default_organization_id: fc.constantFrom(...anOrganization) }),
              name,
              status,
            },
            { requiredKeys: ['id', 'provider', 'external_id', 'name', 'status'] },
          )
          return fc.record({
            organizations: fc.constant(organizations.toSorted(inIdOrder)),
            integrations: fc
              .uniqueArray(integration, {
                comparator: (a, b) =>
                  a.id === b.id ||
                  (a.provider === b.provider && a.external_id === b.external_id && a.app_id === b.app_id),
              })
              .map((rows) => rows.toSorted(inIdOrder)),
            linkStatus: status,
          })
        })
        .map(({ integrations, organizations, linkStatus }) => ({
          integrations,
          organizations,
          organization_integrations: integrations.flatMap((integration) =>
            organizations.map((row) => link(integration.id, row.id, linkStatus)),
          ),
        }))

      it.each(['json', 'ndjson'] as const)(
        'gives back as %s what was imported, and can be imported again',
        async (format) => {
          await fc.assert(
            fc.asyncProperty(directory, async (rows) => {
              await store.close()
              store = await open(clock)
              await given(rows)
              expect(JSON.parse(await exported())).toEqual(rows)
              const text = await exported(format)
              await store.close()
              store = await open(clock)
              await importText(`again.${format}`, text)
              expect(JSON.parse(await exported())).toEqual(rows)
            }),
            { numRuns: 15 },
          )
        },
        // Thirty databases are made and migrated, each with its syncs.
        60_000,
      )

      it('gives every row once, however many there are', async () => {
        const ids = Array.from({ length: 2001 }, (_, index) => String(index + 1))
        await given({
          integrations: ids.map((id) => slack({ id, external_id: `T${id}` })),
          organizations: ids.map((id) => organization(id)),
          organization_integrations: ids.map((id) => link(Math.ceil(Number(id) / 3), id)),
        })
        const { integrations, organizations, organization_integrations } = JSON.parse(
          await exported(),
        ) as Required<Rows>
        expect(integrations.map(({ id }) => id)).toEqual(ids)
        expect(organizations.map(({ id }) => id)).toEqual(ids)
        expect(organization_integrations.map(({ organization_id }) => organization_id)).toEqual(ids)
      })

      it('gives an empty directory as an import file too', async () => {
        expect(JSON.parse(await exported())).toEqual({
          integrations: [],
          organizations: [],
          organization_integrations: [],
        })
        expect(await exported('ndjson')).toBe('')
      })

      it('gives the epoch of an organization that has moved', async () => {
        await given({ organizations: [organization(10, { epoch: 2 })] })
        expect(JSON.parse(await exported())).toHaveProperty('organizations.0.epoch', 2)
      })
    })
  })
}
