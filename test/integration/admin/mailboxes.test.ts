import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NO_PROGRESS, type MailboxAddress, type NewRow, type NewRowState } from '../../../src/spool/spool.ts'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin, type AdminRig } from './admin-rig.ts'

let rig: AdminRig

beforeEach(async () => {
  rig = await startAdmin({ directory: workspace({ acme: 'us' }), env: { PAGE_SIGNING_SECRET: 'p'.repeat(32) } })
})
afterEach(() => rig.close())

type Item = Record<string, unknown> & { id: string }
const itemsOf = async (path: string) => ((await rig.ask('GET', path)).json as { items: Item[] }).items
const lastAudit = async () => (await itemsOf('/api/audit?limit=1'))[0]

const inRegion = (integration: string, region: string): MailboxAddress => ({
  kind: 'region',
  provider: 'slack',
  integration,
  region,
})
const unresolved = (installation: object): MailboxAddress => ({
  kind: 'unresolved',
  provider: 'slack',
  installation: JSON.stringify(installation),
})
const waiting: NewRowState = {
  kind: 'waiting',
  ...NO_PROGRESS,
}
const dead = (reason: string): NewRowState => ({ kind: 'dead', reason, attempts: 1 })

let rows = 0
/** Past the worker, which therefore does not try to deliver it yet. */
async function leave(...entries: [MailboxAddress, NewRowState][]): Promise<void> {
  const { clock, spool } = rig.gateway
  const left = entries.map(([mailbox, state]): NewRow => ({
    mailbox,
    delivery: `delivery-${(rows += 1)}`,
    dedupKey: `key-${rows}`,
    organizations: ['10'],
    receivedAt: clock.now(),
    payload: { keyId: undefined, bytes: Buffer.from('12345678') },
    maxSpoolBytes: undefined,
    state,
  }))
  await spool.append(left, { giveUpAt: clock.monotonic() + 5000 })
}

describe('mailboxes', () => {
  it('are listed with what waits in them', async () => {
    await leave([inRegion('1', 'eu'), waiting], [inRegion('1', 'eu'), dead('http_400')])
    expect(await itemsOf('/api/mailboxes')).toEqual([
      {
        id: '1',
        kind: 'region',
        provider: 'slack',
        integration_id: '1',
        region: 'eu',
        organization_id: null,
        installation: null,
        depth: 1,
        bytes: 8,
        paused: null,
        retry_at: null,
        oldest_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        head_attempts: 0,
        dead_letters: 1,
      },
    ])
  })

  it.each([
    ['region=eu', ['1', '3']],
    ['integration_id=1', ['1', '2']],
    ['integration_id=1&region=us', ['2']],
    ['kind=unresolved', ['4']],
    ['paused=true', ['2']],
    ['paused=false', ['1', '3', '4']],
    ['provider=other', []],
  ])('are filtered by %s', async (query, ids) => {
    const boxes = [inRegion('1', 'eu'), inRegion('1', 'us'), inRegion('2', 'eu'), unresolved({})]
    await leave(...boxes.map((box): [MailboxAddress, NewRowState] => [box, dead('x')]))
    await rig.ask('POST', '/api/mailboxes/2/pause')
    expect((await itemsOf(`/api/mailboxes?${query}`)).map(({ id }) => id)).toEqual(ids)
  })

  it('go page by page', async () => {
    await leave([inRegion('1', 'eu'), dead('x')], [inRegion('1', 'us'), dead('x')], [inRegion('2', 'us'), dead('x')])
    const first = (await rig.ask('GET', '/api/mailboxes?limit=2')).json as { items: Item[]; next_cursor: string }
    expect(first.items.map(({ id }) => id)).toEqual(['1', '2'])
    const second = await rig.ask('GET', `/api/mailboxes?limit=2&cursor=${first.next_cursor}`)
    expect(second.json).toMatchObject({ items: [{ id: '3' }], next_cursor: null })
  })

  it('are paused with a reason, and resumed', async () => {
    await leave([inRegion('1', 'eu'), dead('x')])
    const paused = await rig.ask('POST', '/api/mailboxes/1/pause', { body: { reason: 'eu is being migrated' } })
    expect(paused).toMatchObject({ status: 200, json: { id: '1', paused: 'eu is being migrated' } })
    expect(await lastAudit()).toMatchObject({
      author: 'loopback 127.0.0.1',
      action: 'mailbox.pause',
      subject: 'mailbox 1',
      details: { reason: 'eu is being migrated' },
    })
    expect(await itemsOf('/api/mailboxes')).toMatchObject([{ paused: 'eu is being migrated' }])
    expect(await rig.ask('POST', '/api/mailboxes/1/resume')).toMatchObject({ status: 200, json: { paused: null } })
    expect(await lastAudit()).toMatchObject({ action: 'mailbox.resume' })
    expect(await itemsOf('/api/mailboxes')).toMatchObject([{ paused: null }])
  })

  it('are paused for a reason of some letters', async () => {
    await leave([inRegion('1', 'eu'), dead('x')])
    expect(await rig.ask('POST', '/api/mailboxes/1/pause', { body: { reason: '' } })).toMatchObject({ status: 400 })
    expect(await rig.ask('POST', '/api/mailboxes/1/pause')).toMatchObject({ json: { paused: 'by hand' } })
  })

  it.each(['pause', 'resume'])('%s of one that is not there: 404', async (verb) => {
    expect(await rig.ask('POST', `/api/mailboxes/9/${verb}`)).toMatchObject({ status: 404 })
    expect(await rig.ask('POST', `/api/mailboxes/x/${verb}`)).toMatchObject({ status: 400 })
  })
})

describe('dead letters', () => {
  beforeEach(async () => {
    await leave(
      [inRegion('1', 'eu'), dead('http_400')],
      [inRegion('1', 'us'), dead('poison')],
      [inRegion('2', 'eu'), dead('poison')],
    )
    // What is replayed stays to be seen.
    for (const id of [1, 2, 3]) await rig.ask('POST', `/api/mailboxes/${id}/pause`)
  })

  it('are listed, the newest first, page by page', async () => {
    const first = (await rig.ask('GET', '/api/dead-letters?limit=2')).json as { items: Item[]; next_cursor: string }
    expect(first.items).toMatchObject([
      { integration_id: '2', region: 'eu', reason: 'poison', attempts: 1, mailbox_id: '3' },
      { integration_id: '1', region: 'us', reason: 'poison' },
    ])
    const second = await rig.ask('GET', `/api/dead-letters?limit=2&cursor=${first.next_cursor}`)
    expect(second.json).toMatchObject({ items: [{ reason: 'http_400' }], next_cursor: null })
  })

  it.each([
    ['region=eu', 2],
    ['reason=poison&region=eu', 1],
    ['mailbox_id=2', 1],
    ['integration_id=1', 2],
  ])('are filtered by %s', async (query, count) => {
    expect(await itemsOf(`/api/dead-letters?${query}`)).toHaveLength(count)
  })

  it('are replayed one by one', async () => {
    const [newest] = await itemsOf('/api/dead-letters')
    const path = `/api/dead-letters/${newest?.id}/replay`
    expect(await rig.ask('POST', path)).toMatchObject({ status: 200, json: { replayed: 1 } })
    expect(await itemsOf('/api/dead-letters')).toHaveLength(2)
    expect(await rig.ask('POST', path)).toMatchObject({ status: 404, json: { code: 'not_found' } })
    expect(await lastAudit()).toMatchObject({
      action: 'dead_letters.replay',
      subject: `dead letter ${newest?.id}`,
      details: { filter: { id: Number(newest?.id) }, replayed: 1 },
    })
  })

  it.each([
    [{ region: 'eu' }, 2],
    [{ integration_id: 1, reason: 'poison' }, 1],
    [{ mailbox_id: '3' }, 1],
    [{ all: true }, 3],
    [{ region: 'mars' }, 0],
  ])('are replayed by %j', async (body, replayed) => {
    expect((await rig.ask('POST', '/api/dead-letters/replay', { body })).json).toEqual({ replayed })
    expect(await itemsOf('/api/dead-letters')).toHaveLength(3 - replayed)
  })

  it.each([{}, { all: false }, { all: true, region: 'eu' }, { everything: true }, undefined])(
    'are not replayed by %j, which does not say which',
    async (body) => {
      expect((await rig.ask('POST', '/api/dead-letters/replay', { body })).status).toBe(400)
      expect(await itemsOf('/api/dead-letters')).toHaveLength(3)
    },
  )
})

describe('what waits for an integration', () => {
  const byWorkspace = { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T0ACME00001' }
  const byAnother = { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T0OTHER0001' }

  it('is erased, the unresolved of its workspace too, and of others nothing', async () => {
    await leave(
      [inRegion('1', 'eu'), dead('x')],
      [inRegion('2', 'eu'), dead('x')],
      [unresolved(byWorkspace), dead('x')],
      [unresolved(byAnother), dead('x')],
    )
    expect(await rig.ask('DELETE', '/api/integrations/1/data')).toMatchObject({ status: 200, json: { erased: 2 } })
    const left = (await itemsOf('/api/dead-letters')).map(
      (letter) => letter['integration_id'] ?? letter['installation'],
    )
    expect(left).toEqual([JSON.stringify(byAnother), '2'])
    expect(await lastAudit()).toMatchObject({ action: 'integration.erase', details: { erased: 2 } })
    expect(await rig.ask('DELETE', '/api/integrations/1/data')).toMatchObject({ status: 200, json: { erased: 0 } })
  })

  it('is erased of one that the directory does not know any more; 404 where there is nothing', async () => {
    await leave([inRegion('77', 'eu'), dead('x')])
    expect(await rig.ask('DELETE', '/api/integrations/77/data')).toMatchObject({ status: 200, json: { erased: 1 } })
    expect(await rig.ask('DELETE', '/api/integrations/77/data')).toMatchObject({ status: 404 })
  })
})

describe('a page token', () => {
  it('opens the page that its path says', async () => {
    const body = { integration_id: 1, slack_user_id: 'U012AB3CD', expires_in_seconds: 600 }
    const { status, json } = await rig.ask('POST', '/api/page-tokens', { body })
    const { token, paths, expires_at } = json as { token: string; paths: Record<string, string>; expires_at: string }
    expect(status).toBe(200)
    expect(Date.parse(expires_at) - rig.gateway.clock.now()).toBeLessThanOrEqual(600_000)
    expect(paths['link-team']).toBe(`/extensions/slack/link-team/${token}/`)
    const page = await rig.test.get(paths['link-identity'] ?? '')
    expect([page.status, page.text.includes('expired')]).toEqual([401, false])
    expect(await lastAudit()).toMatchObject({ action: 'page_token.sign', subject: 'integration 1' })
    expect(JSON.stringify(await lastAudit())).not.toContain(token)
  })

  it('is good for an hour where nothing is said', async () => {
    const { json } = await rig.ask('POST', '/api/page-tokens', { body: { integration_id: 1, external_user_id: 'U1' } })
    const leftMs = Date.parse((json as { expires_at: string }).expires_at) - rig.gateway.clock.now()
    expect(Math.round(leftMs / 60_000)).toBe(60)
  })

  it('is none of an integration that is disabled, nor where there is no secret to sign with', async () => {
    const body = { integration_id: 1, external_user_id: 'U1' }
    const row = (await rig.ask('GET', '/api/integrations/1')).json as Record<string, unknown>
    const { id: _id, version: _version, ...rest } = row
    await rig.ask('PUT', '/api/integrations/1', { body: { ...rest, status: 'disabled' } })
    expect(await rig.ask('POST', '/api/page-tokens', { body })).toMatchObject({ status: 404 })
    const bare = await startAdmin({ directory: workspace({ acme: 'us' }) })
    const refused = await bare.ask('POST', '/api/page-tokens', { body })
    await bare.close()
    expect(refused).toMatchObject({ status: 404, json: { code: 'not_found' } })
    expect(JSON.stringify(refused.json)).toContain('PAGE_SIGNING_SECRET')
  })

  it.each([
    [{ integration_id: 99 }, 404],
    [{ integration_id: 1, provider: 'other' }, 400],
    [{ integration_id: 1, expires_in_seconds: 48 * 3600 + 1 }, 400],
    [{ integration_id: 1, expires_in_seconds: 0 }, 400],
    [{ integration_id: 1, slack_user_id: 'U1', external_user_id: 'U2' }, 400],
    [{}, 400],
  ])('for %j is refused with %i', async (body, status) => {
    expect((await rig.ask('POST', '/api/page-tokens', { body })).status).toBe(status)
  })
})
