import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { startFakeRegion, type Answer, type FakeRegion } from '../../support/fake-region.ts'
import { eventCallback } from '../../support/slack-payloads.ts'
import { whileTimePasses, until } from '../../support/steps.ts'
import { startTestGateway, workspace, type TestGateway } from '../../support/test-gateway.ts'

const EVENT = '/extensions/slack/event/'
const KEYS = {
  old: `old:${Buffer.alloc(32, 1).toString('base64')}`,
  new: `new:${Buffer.alloc(32, 2).toString('base64')}`,
}

let folder: string
let region: FakeRegion
let isUp = false
/** What the region took, in the order in which it came. */
let delivered: string[] = []
const gateways: TestGateway[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'silo-gateway-at-rest-'))
  isUp = false
  delivered = []
  const answer: Answer = (res, { body }) => {
    if (!isUp) return void res.destroy()
    delivered.push(body.toString())
    res.end()
  }
  region = await startFakeRegion(answer)
})
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close()
  await region.close()
  await rm(folder, { recursive: true })
})

/** A gateway on the folder's database; the one before it is closed first, and its time goes on. */
async function start(env: Record<string, string | undefined>, entry: Record<string, unknown> = {}) {
  let now = Date.now()
  for (const before of gateways.splice(0)) {
    await before.close()
    // While it started minutes may have passed there: what it would try again a minute later was due long after.
    now = Math.max(now, before.gateway.clock.now())
  }
  const clock = createManualClock({ now })
  const starting = startTestGateway({
    clock,
    regions: [
      { name: 'us', address: region.url, ...entry },
      { name: 'eu', address: region.url },
    ],
    directory: workspace({ acme: 'us' }),
    env: { DATABASE_URL: `sqlite:${join(folder, 'gateway.db')}`, ...env },
  })
  const gateway = await whileTimePasses(clock, starting)
  gateways.push(gateway)
  const send = async (text: string, envelope: Record<string, unknown> = {}) => {
    const body = eventCallback(envelope, { text })
    return await gateway.post(EVENT, body.body, body)
  }
  return { ...gateway, clock, send }
}

async function bytesAtRest(): Promise<string> {
  const files = ['gateway.db', 'gateway.db-wal'].map((name) => readFile(join(folder, name), 'latin1').catch(() => ''))
  return (await Promise.all(files)).join('')
}

function inDatabase(statement: string): void {
  const database = new DatabaseSync(join(folder, 'gateway.db'), { timeout: 5000 })
  database.exec(statement)
  database.close()
}

describe('what waits on disk', () => {
  it('cannot be read there, once there is a key', async () => {
    const { send } = await start({ SPOOL_KEYS: KEYS.old })
    await send('a secret of the customer')
    const bytes = await bytesAtRest()
    expect(bytes).toContain('T0ACME00001')
    expect(bytes).not.toContain('a secret of the customer')
  })

  it('is delivered after the keys were rotated, and after a restart', async () => {
    const before = await start({ SPOOL_KEYS: KEYS.old })
    await before.send('before the rotation')
    const { clock, send } = await start({ SPOOL_KEYS: `${KEYS.new},${KEYS.old}` })
    await send('after it')
    isUp = true
    await until(clock, () => delivered.length >= 2)
    expect(delivered[0]).toContain('before the rotation')
    expect(delivered[1]).toContain('after it')
  })

  it('waits for its key where that was taken out too early: its mailbox pauses, nothing dies', async () => {
    const before = await start({ SPOOL_KEYS: KEYS.old })
    await before.send('sealed with the old key')
    const { clock, gateway } = await start({ SPOOL_KEYS: KEYS.new })
    isUp = true
    await until(clock, async () => (await gateway.spool.list())[0]?.paused === 'unknown_key', { steps: 2000 })
    expect(await gateway.spool.deadLetters({}, { limit: 10 })).toEqual([])

    const mended = await start({ SPOOL_KEYS: `${KEYS.new},${KEYS.old}` })
    const [mailbox] = await mended.gateway.spool.list()
    await mended.gateway.spool.resume(mailbox?.id ?? 0)
    await mended.gateway.lookAtMailboxes()
    await until(mended.clock, () => delivered.length >= 1)
  })

  it('is never sent where it was changed: it is a dead letter, and the next is delivered', async () => {
    const before = await start({ SPOOL_KEYS: KEYS.old })
    await before.send('to be changed')
    await before.send('left alone')
    await before.close()
    gateways.splice(0)
    inDatabase(`update waiting set payload = payload || x'00' where id = (select min(id) from waiting)`)
    const { clock, gateway } = await start({ SPOOL_KEYS: KEYS.old })
    isUp = true
    await until(clock, () => delivered.length >= 1)
    expect(delivered[0]).toContain('left alone')
    expect(await gateway.spool.deadLetters({}, { limit: 10 })).toMatchObject([{ reason: 'not_authentic' }])
  })

  it('is never sent where it is not encrypted although there are keys', async () => {
    const before = await start({ SPOOL_KEYS: undefined })
    await before.send('anybody could have written this')
    const { clock, gateway } = await start({ SPOOL_KEYS: KEYS.old })
    isUp = true
    await until(clock, async () => (await gateway.spool.list())[0]?.paused === 'not_encrypted', { steps: 2000 })
    expect(delivered).toEqual([])
  })
})

describe('max_spool_mb', () => {
  it("once used up turns that region's events away, so that Slack keeps them, and no other's", async () => {
    const { send, gateway, clock } = await start({}, { max_spool_mb: 0.01 })
    const statuses = []
    for (let sent = 0; sent < 20; sent++) statuses.push((await send('x'.repeat(1000))).status)
    expect(statuses[0]).toBe(200)
    expect(statuses.at(-1)).toBe(503)
    const depth = statuses.filter((status) => status === 200).length
    expect(await gateway.spool.list()).toMatchObject([{ depth }])
    const full = await send('x'.repeat(1000))
    expect(full.json()).toMatchObject({ code: 'silo_client_error', regions: { us: 'spool_full' } })
    isUp = true
    await until(clock, () => delivered.length >= depth)
    await until(clock, async () => (await gateway.spool.list())[0]?.depth === 0)
    expect((await send('room again')).status).toBe(200)
  })
})

describe('a store that cannot be written', () => {
  it('turns events away with 503 while it is locked, and takes them again without a restart', async () => {
    const { send, clock, gateway } = await start({})
    // The gateway may be writing its records just now.
    const lock = new DatabaseSync(join(folder, 'gateway.db'), { timeout: 5000 })
    lock.exec('begin exclusive')
    let status: number | undefined
    const answered = send('while locked').then((reply) => (status = reply.status))
    await until(clock, () => status !== undefined)
    expect(await answered).toBe(503)
    lock.exec('rollback')
    lock.close()
    expect((await send('afterwards')).status).toBe(200)
    expect(await gateway.spool.list()).toMatchObject([{ depth: 1 }])
  })
})
