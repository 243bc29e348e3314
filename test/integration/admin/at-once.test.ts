import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startFakeRegion, type FakeRegion } from '../../support/fake-region.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { eventCallback } from '../../support/slack-payloads.ts'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin, type AdminRig } from './admin-rig.ts'

// Time stands still: what others are told by looking each second is told to this process, or never happens here.
let clock: ManualClock
let us: FakeRegion
let eu: FakeRegion
let rig: AdminRig
let usAnswers: number

beforeEach(async () => {
  clock = createManualClock()
  usAnswers = 200
  us = await startFakeRegion((res) => res.writeHead(usAnswers).end())
  eu = await startFakeRegion()
  rig = await startAdmin({
    clock,
    regions: [
      { name: 'us', address: us.url },
      { name: 'eu', address: eu.url },
    ],
    directory: workspace({ acme: 'us' }),
  })
})
afterEach(async () => {
  await rig.close()
  await us.close()
  await eu.close()
})

async function event(name: string): Promise<void> {
  const { body, contentType } = eventCallback({ event_id: name })
  expect((await rig.test.post('/slack/events', body, { contentType })).status).toBe(200)
}
const post = async (path: string, body?: object) => {
  const reply = await rig.ask('POST', path, body && { body })
  expect(reply.status).toBe(200)
  return reply.json
}
const eventOf = async (region: FakeRegion) =>
  (JSON.parse((await region.nextRequest()).body.toString()) as { event_id: string }).event_id

/** One event that the region has refused. */
async function refused(name: string): Promise<void> {
  usAnswers = 400
  await event(name)
  expect(await eventOf(us)).toBe(name)
  usAnswers = 200
}

describe('in the process that is told', () => {
  it('what is replayed is delivered at once', async () => {
    await refused('Ev1')
    expect(await post('/api/dead-letters/replay', { all: true })).toEqual({ replayed: 1 })
    expect(await eventOf(us)).toBe('Ev1')
  })

  it('a mailbox that is paused keeps what is replayed and what comes, and delivers it at once when it is resumed', async () => {
    await refused('Ev1')
    await post('/api/mailboxes/1/pause')
    await post('/api/dead-letters/replay', { all: true })
    await event('Ev2')
    expect(us.requests).toHaveLength(1)
    await post('/api/mailboxes/1/resume')
    expect([await eventOf(us), await eventOf(us)]).toEqual(['Ev1', 'Ev2'])
  })

  it('what waits for an organization follows it at once, in its order, and nothing goes where it was', async () => {
    await refused('Ev1')
    await post('/api/mailboxes/1/pause')
    await post('/api/dead-letters/replay', { all: true })
    await event('Ev2')
    const moved = await rig.ask('PUT', '/api/organizations/10', { body: { slug: 'acme', region: 'eu' } })
    expect(moved.json).toMatchObject({ epoch: 1, moved_deliveries: 2 })
    expect([await eventOf(eu), await eventOf(eu)]).toEqual(['Ev1', 'Ev2'])
    await event('Ev3')
    expect(await eventOf(eu)).toBe('Ev3')
    expect(us.requests).toHaveLength(1)
  })

  it('what comes for an organization that is held waits, and is delivered at once when it is released', async () => {
    const put = (body: object) =>
      rig.ask('PUT', '/api/organizations/10', { body: { slug: 'acme', region: 'us', ...body } })
    await put({ held: true })
    await event('Ev1')
    expect(us.requests).toHaveLength(0)
    expect((await put({ held: false })).json).toMatchObject({ held: false, moved_deliveries: 1 })
    expect(await eventOf(us)).toBe('Ev1')
  })

  it('what was imported past it is used for what comes, and nothing older', async () => {
    await event('Ev1')
    expect(await eventOf(us)).toBe('Ev1')
    const organization = await rig.gateway.store.editor.organization('10')
    if (organization === undefined) throw new Error('There is no such organization')
    const imported = { author: 'ann', precondition: { kind: 'none' } } as const
    await rig.gateway.store.editor.putOrganization({ ...organization, region: 'eu' }, imported)
    await event('Ev2')
    expect(await eventOf(us)).toBe('Ev2')
    expect((await rig.ask('POST', '/api/directory/refresh')).status).toBe(204)
    await event('Ev3')
    expect(await eventOf(eu)).toBe('Ev3')
  })
})
