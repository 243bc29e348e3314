import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAudit } from '../../../src/audit/audit.ts'
import type { Clock } from '../../../src/clock.ts'
import type { Connections } from '../../../src/database/connections.ts'
import { migrate } from '../../../src/database/migrations.ts'
import type { Integration } from '../../../src/directory/directory.ts'
import type {
  Deleted,
  DirectoryEditor,
  Link,
  OrganizationToWrite,
  Precondition,
  WriteOptions,
  Written,
} from '../../../src/directory/edit.ts'
import { createDirectoryEditor } from '../../../src/directory/editor.ts'
import { createInstallationFinder } from '../../../src/directory/find-installation.ts'
import type { IdentityStore } from '../../../src/directory/identities.ts'
import { createIdentityStore } from '../../../src/directory/identity-store.ts'
import { importFile } from '../../../src/directory/import.ts'
import type { DirectorySchema } from '../../../src/directory/schema.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

const NOW = 1_750_000_000_000

const integration = (id: string, more: Partial<Integration> = {}): Integration => ({
  id,
  provider: 'slack',
  appId: '',
  externalId: `T${id}`,
  enterpriseId: undefined,
  defaultOrganizationId: undefined,
  name: `Workspace ${id}`,
  status: 'active',
  ...more,
})
const organization = (id: string, more: Partial<OrganizationToWrite> = {}): OrganizationToWrite => ({
  id,
  slug: `org-${id}`,
  name: `Organization ${id}`,
  region: 'us',
  status: 'active',
  held: false,
  ...more,
})
const link = (integrationId: string, organizationId: string, status: Link['status'] = 'active'): Link => ({
  integrationId,
  organizationId,
  status,
})
const when = (precondition: Precondition): WriteOptions => ({ author: 'ada', precondition })
const always = when({ kind: 'none' })

/** What every editor of the directory does, whatever database is behind it. `open` gives an empty one, which is closed here. */
export function directoryEditorConformance(
  name: string,
  open: (clock: Clock) => Promise<Connections<DirectorySchema>>,
): void {
  describe(`directory editor on ${name}`, () => {
    let clock: ManualClock
    let connections: Connections<DirectorySchema>
    let editor: DirectoryEditor
    let identities: IdentityStore

    beforeEach(async () => {
      clock = createManualClock({ now: NOW })
      connections = await open(clock)
      await connections.aside((db) => migrate(db))
      editor = createDirectoryEditor(connections, clock)
      identities = createIdentityStore(connections, clock)
    })
    afterEach(() => connections.close())

    const find = (externalId: string) =>
      createInstallationFinder(connections.lookUps).find({ by: 'external', provider: 'slack', appId: '', externalId })
    const audit = () => readAudit(connections.lookUps, { limit: 100 })
    const actions = async () => (await audit()).map(({ action, subject }) => `${action} ${subject}`).toReversed()

    /** Integration 1 and organization 10, linked. */
    async function acme() {
      await editor.putOrganization(organization('10'), always)
      await editor.putIntegration(integration('1'), always)
      await editor.putLink(link('1', '10'), always)
    }

    async function imported(organizations: readonly object[]) {
      const folder = await mkdtemp(join(tmpdir(), 'editor-'))
      const file = join(folder, 'rows.json')
      await writeFile(file, JSON.stringify({ organizations }))
      await connections.aside((db) => importFile(db, file, { clock, author: 'import' }))
      await rm(folder, { recursive: true })
    }

    describe('putting a row', () => {
      it('that is new stores it, at the version of the change', async () => {
        const written = await editor.putIntegration(
          integration('1', { appId: 'A1', enterpriseId: 'E1', status: 'disabled' }),
          always,
        )
        const row = { ...integration('1', { appId: 'A1', enterpriseId: 'E1', status: 'disabled' }), version: 1 }
        expect(written).toEqual({
          kind: 'written',
          row,
          before: undefined,
          change: { version: 1, what: expect.objectContaining({ kind: 'some' }) },
        })
        expect(await editor.integration('1')).toEqual(row)
      })

      it('replaces the one of the same id, and tells what it was', async () => {
        await editor.putIntegration(integration('1'), always)
        const written = await editor.putIntegration(integration('1', { name: 'Renamed' }), always)
        expect(written).toMatchObject({
          kind: 'written',
          row: { name: 'Renamed', version: 2 },
          before: { name: 'Workspace 1', version: 1 },
        })
        expect(await editor.integration('1')).toMatchObject({ name: 'Renamed', version: 2 })
      })

      it('counts one version a change, whatever the row', async () => {
        await acme()
        expect([
          (await editor.organization('10'))?.version,
          (await editor.integration('1'))?.version,
          (await editor.link('1', '10'))?.version,
          (await find('T1')).version,
        ]).toEqual([1, 2, 3, 3])
      })

      it('is seen by the next look-up', async () => {
        await acme()
        await editor.putOrganization(organization('10', { region: 'eu', held: true }), always)
        expect(await find('T1')).toMatchObject({
          version: 4,
          installation: { organizations: [{ id: '10', region: 'eu', epoch: 1, held: true }] },
        })
      })

      it.each<[what: string, put: () => Promise<Written<object>>]>([
        ['an integration', () => editor.putIntegration(integration('1', { defaultOrganizationId: '10' }), always)],
        ['an organization', () => editor.putOrganization(organization('10', { held: true }), always)],
        ['a link', () => editor.putLink(link('1', '10', 'disabled'), always)],
      ])('as it is already changes nothing, not even a version: %s', async (_, put) => {
        await acme()
        await put()
        const entries = await audit()
        const { version } = await find('T1')
        expect(await put()).toMatchObject({ kind: 'written', row: { version }, before: { version }, change: undefined })
        expect(await audit()).toEqual(entries)
        expect((await find('T1')).version).toBe(version)
      })

      it('takes ids of 64 bits as they are', async () => {
        const [i, o] = ['9007199254740993', '9223372036854775807']
        await editor.putOrganization(organization(o), always)
        await editor.putIntegration(integration(i, { defaultOrganizationId: o }), always)
        await editor.putLink(link(i, o), always)
        expect(await editor.integration(i)).toMatchObject({ id: i, defaultOrganizationId: o })
        expect(await editor.link(i, o)).toMatchObject(link(i, o))
      })

      it('knows an id with zeros in front', async () => {
        await editor.putIntegration(integration('1'), always)
        expect(
          await editor.putIntegration(integration('001', { externalId: 'T1', name: 'Workspace 1' }), always),
        ).toMatchObject({
          row: { id: '1' },
          change: undefined,
        })
      })

      it.each(['', '0', '-1', 'x', '9223372036854775808'])('rejects an id that no row can have: %j', async (id) => {
        await expect(editor.putIntegration(integration(id), always)).rejects.toThrow(RangeError)
        expect(await editor.integration(id)).toBeUndefined()
      })

      it('that fails leaves nothing behind', async () => {
        await expect(editor.putOrganization({ ...organization('10'), status: 'odd' as never }, always)).rejects.toThrow(
          /status/,
        )
        expect(await editor.organization('10')).toBeUndefined()
        expect(await audit()).toEqual([])
        expect((await find('T1')).version).toBe(0)
      })
    })

    describe('an organization', () => {
      const epochOf = async () => (await editor.organization('10'))?.epoch

      it('has moved when its region changes, and only then', async () => {
        await editor.putOrganization(organization('10'), always)
        expect(await epochOf()).toBe(0)
        await editor.putOrganization(organization('10', { name: 'Other' }), always)
        expect(await epochOf()).toBe(0)
        await editor.putOrganization(organization('10', { name: 'Other', region: 'eu' }), always)
        expect(await epochOf()).toBe(1)
        await editor.putOrganization(organization('10', { region: 'us' }), always)
        expect(await epochOf()).toBe(2)
      })

      it('takes no epoch from whoever writes it', async () => {
        const claimed = { ...organization('10'), epoch: 7 }
        await editor.putOrganization(claimed, always)
        expect(await epochOf()).toBe(0)
      })

      it('is audited as moved, held or released, whichever it is', async () => {
        await editor.putOrganization(organization('10'), always)
        await editor.putOrganization(organization('10', { region: 'eu', held: true }), always)
        await editor.putOrganization(organization('10', { region: 'eu' }), always)
        await editor.putOrganization(organization('10', { region: 'eu', held: true }), always)
        await editor.putOrganization(organization('10', { region: 'eu', held: true, name: 'Other' }), always)
        expect(await actions()).toEqual([
          'organization.put organization 10',
          'organization.move organization 10',
          'organization.release organization 10',
          'organization.hold organization 10',
          'organization.put organization 10',
        ])
      })
    })

    describe('where an organization lived before', () => {
      const formerly = async () => (await find('T1')).installation?.organizations[0]?.formerly
      const write = async (more: Partial<OrganizationToWrite>) => {
        clock.advance(1)
        await editor.putOrganization(organization('10', more), always)
        return { until: clock.now() }
      }

      beforeEach(acme)

      it('is told by look-ups once it has moved, with when that was, however it is changed later', async () => {
        expect(await formerly()).toBeUndefined()
        await write({ name: 'Other' })
        await write({ name: 'Other', held: true })
        expect(await formerly()).toBeUndefined()
        const { until } = await write({ region: 'eu' })
        await write({ region: 'eu', name: 'Other' })
        expect(await formerly()).toEqual({ regions: ['us'], until })
      })

      it('is every region that it has left and does not live in again, each once', async () => {
        await write({ region: 'eu' })
        const { until } = await write({ region: 'ap', held: true })
        expect(await formerly()).toEqual({ regions: ['us', 'eu'], until })
        for (const region of ['us', 'eu', 'ap', 'eu', 'ap']) await write({ region })
        expect((await formerly())?.regions.toSorted()).toEqual(['eu', 'us'])
        await write({ region: 'us' })
        expect((await formerly())?.regions.toSorted()).toEqual(['ap', 'eu'])
      })

      it('is also where it was held, which is no region', async () => {
        await write({ held: true })
        expect(await formerly()).toBeUndefined()
        const { until } = await write({ held: false })
        expect(await formerly()).toEqual({ regions: [], until })
      })

      it('is forgotten when that is said, but not where it has moved once more since', async () => {
        const { until: before } = await write({ region: 'eu' })
        const { until } = await write({ region: 'ap' })
        await editor.forgetFormerHomes('10', before)
        expect(await formerly()).toEqual({ regions: ['us', 'eu'], until })
        await editor.forgetFormerHomes('10', until)
        expect(await formerly()).toBeUndefined()
        expect(await actions()).toHaveLength(5)
        const again = await write({ region: 'us' })
        expect(await formerly()).toEqual({ regions: ['ap'], until: again.until })
      })

      it('is told as well where an import moves it', async () => {
        await imported([{ id: 10, slug: 'org-10', region: 'eu' }])
        clock.advance(1)
        await imported([{ id: 10, slug: 'acme', region: 'eu' }])
        expect(await formerly()).toEqual({ regions: ['us'], until: NOW })
      })
    })

    describe('a precondition', () => {
      it.each<[Precondition, there: string, gone: string]>([
        [{ kind: 'none' }, 'written', 'written'],
        [{ kind: 'version', is: 1 }, 'written', 'precondition_failed'],
        [{ kind: 'version', is: 2 }, 'precondition_failed', 'precondition_failed'],
        [{ kind: 'exists' }, 'written', 'precondition_failed'],
        [{ kind: 'absent' }, 'precondition_failed', 'written'],
      ])('%j', async (precondition, there, gone) => {
        await editor.putIntegration(integration('1'), always)
        expect((await editor.putIntegration(integration('1', { name: 'New' }), when(precondition))).kind).toBe(there)
        expect((await editor.putIntegration(integration('2'), when(precondition))).kind).toBe(gone)
      })

      it('that is not met gives the row as it is, and changes nothing', async () => {
        await editor.putOrganization(organization('10'), always)
        const refused = when({ kind: 'version', is: 7 })
        const current = { ...organization('10'), epoch: 0, version: 1 }
        expect(await editor.putOrganization(organization('10', { name: 'New' }), refused)).toEqual({
          kind: 'precondition_failed',
          current,
        })
        expect(await editor.deleteOrganization('10', refused)).toEqual({ kind: 'precondition_failed', current })
        expect(await editor.organization('10')).toEqual(current)
        expect(await actions()).toHaveLength(1)
        expect((await find('T1')).version).toBe(1)
      })

      it('is held against the row, not against what others have changed since', async () => {
        await editor.putOrganization(organization('10'), always)
        await editor.putOrganization(organization('11'), always)
        const written = await editor.putOrganization(
          organization('10', { name: 'New' }),
          when({ kind: 'version', is: 1 }),
        )
        expect(written.kind).toBe('written')
      })

      it('lets one of those pass that meet it at the same time', async () => {
        await editor.putOrganization(organization('10'), always)
        const writers = ['a', 'b', 'c', 'd'].map((name) =>
          editor.putOrganization(organization('10', { name }), when({ kind: 'version', is: 1 })),
        )
        const kinds = (await Promise.all(writers)).map(({ kind }) => kind)
        expect(kinds.filter((kind) => kind === 'written')).toHaveLength(1)
        expect(kinds.filter((kind) => kind === 'precondition_failed')).toHaveLength(3)
      })
    })

    describe('versions', () => {
      it('are given once each to writers at the same time', async () => {
        const ids = Array.from({ length: 20 }, (_, index) => String(index + 1))
        const written = await Promise.all(ids.map((id) => editor.putOrganization(organization(id), always)))
        const versions = written.map((one) => (one.kind === 'written' ? one.row.version : 0))
        expect(versions.sort((a, b) => a - b)).toEqual(ids.map(Number))
      })
    })

    describe('what contradicts the rest is a conflict', () => {
      it('a workspace that belongs to another integration', async () => {
        await editor.putIntegration(integration('1'), always)
        expect(await editor.putIntegration(integration('2', { externalId: 'T1' }), always)).toEqual({
          kind: 'conflict',
          path: 'external_id',
          reason: 'T1 belongs to integration 1 already',
        })
        expect(await editor.integration('2')).toBeUndefined()
      })

      it('but not one of another app', async () => {
        await editor.putIntegration(integration('1'), always)
        const written = await editor.putIntegration(integration('2', { externalId: 'T1', appId: 'A1' }), always)
        expect(written.kind).toBe('written')
      })

      it('a default organization that does not exist', async () => {
        expect(await editor.putIntegration(integration('1', { defaultOrganizationId: '10' }), always)).toEqual({
          kind: 'conflict',
          path: 'default_organization_id',
          reason: 'names organization 10, which does not exist',
        })
      })

      it('a link of what does not exist', async () => {
        expect(await editor.putLink(link('1', '10'), always)).toEqual({
          kind: 'conflict',
          path: 'integration_id',
          reason: 'names integration 1, which does not exist',
        })
        await editor.putIntegration(integration('1'), always)
        expect(await editor.putLink(link('1', '10'), always)).toEqual({
          kind: 'conflict',
          path: 'organization_id',
          reason: 'names organization 10, which does not exist',
        })
        expect(await actions()).toEqual(['integration.put integration 1'])
      })

      it('after the precondition: who has read an old row is told that first', async () => {
        await editor.putIntegration(integration('1'), always)
        const refused = await editor.putIntegration(integration('2', { externalId: 'T1' }), when({ kind: 'exists' }))
        expect(refused.kind).toBe('precondition_failed')
      })
    })

    describe('deleting', () => {
      it('what is not there is absent, whatever the precondition', async () => {
        expect([
          await editor.deleteIntegration('1', always),
          await editor.deleteOrganization('10', when({ kind: 'version', is: 1 })),
          await editor.deleteLink('1', '10', when({ kind: 'exists' })),
          await editor.deleteLink('x', '', always),
        ]).toEqual(Array.from({ length: 4 }, () => ({ kind: 'absent' })))
        expect((await find('T1')).version).toBe(0)
      })

      it('an integration takes its links and identities along', async () => {
        await acme()
        await identities.link({ integrationId: '1', externalUserId: 'U1', user: 'ada' })
        const deleted = await editor.deleteIntegration('1', always)
        expect(deleted).toMatchObject({ kind: 'deleted', before: { id: '1', version: 2 }, change: { version: 4 } })
        expect([
          await editor.integration('1'),
          await editor.link('1', '10'),
          await identities.find('1', 'U1'),
          (await find('T1')).installation,
        ]).toEqual([undefined, undefined, undefined, undefined])
        expect(await editor.organization('10')).toBeDefined()
      })

      it('an organization takes its links along, and is no default any more', async () => {
        await acme()
        await editor.putIntegration(integration('2', { defaultOrganizationId: '10' }), always)
        await editor.deleteOrganization('10', always)
        expect(await editor.link('1', '10')).toBeUndefined()
        expect(await editor.integration('2')).toMatchObject({ defaultOrganizationId: undefined, version: 5 })
        expect(await editor.integration('1')).toMatchObject({ version: 2 })
      })

      it('a link leaves both of its ends', async () => {
        await acme()
        expect(await editor.deleteLink('1', '10', when({ kind: 'version', is: 3 }))).toMatchObject({
          kind: 'deleted',
          before: { ...link('1', '10'), version: 3 },
        })
        expect(await find('T1')).toMatchObject({ version: 4, installation: { organizations: [] } })
      })
    })

    describe('a change names all who remember something of it', () => {
      const whatOf = (result: Written<object> | Deleted<object>) =>
        'change' in result ? result.change?.what : undefined
      const slack = (...externalIds: string[]) => externalIds.map((externalId) => ({ provider: 'slack', externalId }))

      it('the workspace and the enterprise of an integration, those before and those after', async () => {
        await editor.putIntegration(integration('1', { enterpriseId: 'E1' }), always)
        const moved = integration('1', { externalId: 'T2', enterpriseId: 'E2' })
        expect(whatOf(await editor.putIntegration(moved, always))).toEqual({
          kind: 'some',
          integrations: ['1'],
          organizations: [],
          installations: slack('T1', 'E1', 'T2', 'E2'),
        })
        expect(whatOf(await editor.deleteIntegration('1', always))).toEqual({
          kind: 'some',
          integrations: ['1'],
          organizations: [],
          installations: slack('T2', 'E2'),
        })
      })

      it('the integrations of an organization, for it may have been left out of them', async () => {
        await acme()
        await editor.putIntegration(integration('2', { defaultOrganizationId: '10' }), always)
        expect(whatOf(await editor.putOrganization(organization('10', { status: 'disabled' }), always))).toEqual({
          kind: 'some',
          integrations: ['1'],
          organizations: ['10'],
          installations: [],
        })
        expect(whatOf(await editor.deleteOrganization('10', always))).toEqual({
          kind: 'some',
          integrations: ['1', '2'],
          organizations: ['10'],
          installations: [],
        })
      })

      it('both ends of a link', async () => {
        await acme()
        const ends = { kind: 'some', integrations: ['1'], organizations: ['10'], installations: [] }
        expect(whatOf(await editor.putLink(link('1', '10', 'disabled'), always))).toEqual(ends)
        expect(whatOf(await editor.deleteLink('1', '10', always))).toEqual(ends)
      })
    })

    describe('the audit', () => {
      it('tells who has changed what, from what and to what', async () => {
        await editor.putOrganization(organization('10'), always)
        await editor.putOrganization(organization('10', { region: 'eu' }), {
          author: 'grace',
          precondition: { kind: 'exists' },
        })
        const [moved, made] = await audit()
        const row = { ...organization('10'), epoch: 0, version: 1 }
        expect(made).toEqual({
          id: expect.any(Number),
          at: NOW,
          author: 'ada',
          action: 'organization.put',
          subject: 'organization 10',
          details: { after: row },
        })
        expect(moved).toMatchObject({
          author: 'grace',
          action: 'organization.move',
          details: { before: row, after: { ...row, region: 'eu', epoch: 1, version: 2 } },
        })
      })

      it('has an entry for every change', async () => {
        await acme()
        await editor.deleteLink('1', '10', always)
        await editor.deleteIntegration('1', always)
        await editor.deleteOrganization('10', always)
        expect(await actions()).toEqual([
          'organization.put organization 10',
          'integration.put integration 1',
          'link.put link 1/10',
          'link.delete link 1/10',
          'integration.delete integration 1',
          'organization.delete organization 10',
        ])
      })
    })

    describe('lists', () => {
      const ids = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id)
      const all = { limit: 100 }

      beforeEach(async () => {
        await editor.putOrganization(organization('9', { slug: 'nine' }), always)
        await editor.putOrganization(organization('10', { region: 'eu', held: true }), always)
        await editor.putOrganization(organization('11', { region: 'eu', status: 'disabled' }), always)
        await editor.putIntegration(integration('1', { appId: 'A1', externalId: 'T1' }), always)
        await editor.putIntegration(integration('2', { externalId: 'T1', status: 'disabled' }), always)
        await editor.putIntegration(integration('10', { provider: 'other', enterpriseId: 'E1' }), always)
        for (const [one, other] of [
          ['1', '9'],
          ['1', '10'],
          ['2', '10'],
          ['10', '11'],
        ] as const) {
          await editor.putLink(link(one, other, other === '9' ? 'disabled' : 'active'), always)
        }
        for (const [id, externalUserId, user] of [
          ['1', 'U1', 'ada'],
          ['1', 'U2', 'grace'],
          ['2', 'U1', 'ada'],
        ] as const) {
          await identities.link({ integrationId: id, externalUserId, user })
        }
      })

      it('are in the order of ids as numbers, a page at a time', async () => {
        expect(ids(await editor.integrations({}, all))).toEqual(['1', '2', '10'])
        expect(ids(await editor.integrations({}, { limit: 2 }))).toEqual(['1', '2'])
        expect(ids(await editor.integrations({}, { limit: 2, after: '2' }))).toEqual(['10'])
        expect(ids(await editor.organizations({}, { limit: 1, after: '9' }))).toEqual(['10'])
      })

      it('give whole rows with their versions', async () => {
        expect((await editor.organizations({}, { limit: 1 }))[0]).toEqual(await editor.organization('9'))
        expect((await editor.integrations({}, { limit: 1 }))[0]).toEqual(await editor.integration('1'))
        expect((await editor.links({}, { limit: 1 }))[0]).toEqual(await editor.link('1', '9'))
      })

      it('of integrations, by what they are', async () => {
        const by = async (filter: Parameters<DirectoryEditor['integrations']>[0]) =>
          ids(await editor.integrations(filter, all))
        expect(await by({ provider: 'slack' })).toEqual(['1', '2'])
        expect(await by({ appId: 'A1' })).toEqual(['1'])
        expect(await by({ appId: '' })).toEqual(['2', '10'])
        expect(await by({ externalId: 'T1' })).toEqual(['1', '2'])
        expect(await by({ enterpriseId: 'E1' })).toEqual(['10'])
        expect(await by({ status: 'disabled' })).toEqual(['2'])
        expect(await by({ organization: '10' })).toEqual(['1', '2'])
        expect(await by({ organization: '10', status: 'active', externalId: undefined })).toEqual(['1'])
        expect(await by({ organization: 'x' })).toEqual([])
      })

      it('of organizations, by what they are', async () => {
        const by = async (filter: Parameters<DirectoryEditor['organizations']>[0]) =>
          ids(await editor.organizations(filter, all))
        expect(await by({ slug: 'nine' })).toEqual(['9'])
        expect(await by({ region: 'eu' })).toEqual(['10', '11'])
        expect(await by({ status: 'disabled' })).toEqual(['11'])
        expect(await by({ held: true })).toEqual(['10'])
        expect(await by({ held: false })).toEqual(['9', '11'])
        expect(await by({ integration: '1' })).toEqual(['9', '10'])
        expect(await by({ integration: '1', region: 'eu' })).toEqual(['10'])
      })

      it('of links, by either end, a page at a time', async () => {
        const by = async (...asked: Parameters<DirectoryEditor['links']>) =>
          (await editor.links(...asked)).map(({ integrationId, organizationId }) => [integrationId, organizationId])
        expect(await by({}, { limit: 3 })).toEqual([
          ['1', '9'],
          ['1', '10'],
          ['2', '10'],
        ])
        expect(await by({}, { limit: 3, after: { integration: '1', organization: '9' } })).toEqual([
          ['1', '10'],
          ['2', '10'],
          ['10', '11'],
        ])
        expect(await by({ integration: '1' }, all)).toEqual([
          ['1', '9'],
          ['1', '10'],
        ])
        expect(await by({ organization: '10' }, all)).toEqual([
          ['1', '10'],
          ['2', '10'],
        ])
        expect(await by({ status: 'disabled' }, all)).toEqual([['1', '9']])
      })

      it('of identities, by integration, user and whom they are linked to', async () => {
        const by = async (...asked: Parameters<DirectoryEditor['identities']>) =>
          (await editor.identities(...asked)).map(({ integrationId, externalUserId }) => integrationId + externalUserId)
        expect(await by({}, all)).toEqual(['1U1', '1U2', '2U1'])
        expect(await by({}, { limit: 1, after: { integration: '1', externalUserId: 'U1' } })).toEqual(['1U2'])
        expect(await by({ integration: '1' }, all)).toEqual(['1U1', '1U2'])
        expect(await by({ externalUserId: 'U1' }, all)).toEqual(['1U1', '2U1'])
        expect(await by({ user: 'grace' }, all)).toEqual(['1U2'])
        expect((await editor.identities({}, { limit: 1 }))[0]).toEqual({
          integrationId: '1',
          externalUserId: 'U1',
          user: 'ada',
        })
      })
    })

    it('goes on with what an import has put there', async () => {
      await imported([{ id: 10, slug: 'acme', region: 'us' }])
      expect(await editor.putOrganization(organization('10', { region: 'eu' }), always)).toMatchObject({
        kind: 'written',
        before: { slug: 'acme', region: 'us' },
        row: { region: 'eu', epoch: 1 },
      })
    })
  })
}
