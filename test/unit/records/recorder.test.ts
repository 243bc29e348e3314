import { describe, expect, it } from 'vitest'
import { compress, unpackBlock } from '../../../src/records/block.ts'
import type { Batch, Limits } from '../../../src/records/record-tables.ts'
import type { RecordBodies } from '../../../src/records/story.ts'
import { createRecorder } from '../../../src/records/recorder.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import type { ReceivedWebhook } from '../../../src/provider.ts'
import type { Happened } from '../../../src/telemetry/webhook-record.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createSlackRig } from '../providers/slack/rig.ts'
import { eventCallback } from '../../support/slack-payloads.ts'

const rig = createSlackRig()

async function setUp({ bodies = 'off' }: { bodies?: RecordBodies } = {}) {
  const request = await rig.request({ body: eventCallback() })
  const clock = createManualClock()
  const counters = createCounters()
  const alarms: string[] = []
  const batches: Batch[] = []
  const sweeps: Limits[] = []
  const store = {
    isAway: false,
    sealed: '',
    removed: [] as number[],
    /** Called while a batch is written. */
    meanwhile: undefined as (() => void) | undefined,
  }
  const recorder = createRecorder({
    store: {
      async write(batch) {
        store.meanwhile?.()
        if (store.isAway) throw new Error('away')
        const isTaken = batch.block === undefined || batch.block.block !== store.sealed
        batches.push(isTaken ? batch : { ...batch, block: undefined })
        return { isTaken }
      },
      async sweep(limits) {
        sweeps.push(limits)
        return { removed: store.removed.shift() ?? 0 }
      },
    },
    clock,
    counters,
    alarms: { raise: (_level, key) => void alarms.push(key) },
    gateway: 'g1',
    settings: () => ({ RECORD_BODIES: bodies, RECORD_DAYS: 2, RECORD_MAX_MB: 3 }),
  })
  /** By delivery: a webhook that is told again is the same, and has changed. */
  const told = new Map<number, Happened>()
  const happened = (id: number, more: Partial<Happened> = {}): Happened => {
    const now = { ...whatHappens(id), ...more }
    const one = Object.assign(told.get(id) ?? now, now)
    told.set(id, one)
    return one
  }
  const whatHappens = (id: number): Happened => ({
    provider: rig.provider,
    door: { kind: 'webhook', surface: 'event', methods: ['POST'] },
    receivedAt: clock.now(),
    budgetMs: 2500,
    webhook: undefined,
    request,
    idempotencyKey: 'k',
    resolution: undefined,
    plan: undefined,
    record: {
      delivery: `d${id}`,
      requestId: `d${id}`,
      surface: 'event',
      answeredMs: 1,
      outcome: 'passed_on',
      status: 200,
    },
    failed: false,
    isOver: true,
    isProven: true,
    isOneTooMany: false,
  })
  return {
    recorder,
    clock,
    alarms,
    batches,
    sweeps,
    store,
    happened,
    sent: (text: string): ReceivedWebhook => ({
      delivery: 'd',
      requestId: 'd',
      method: 'POST',
      target: '/slack/events',
      headers: { 'content-type': 'application/json' },
      rawHeaders: [],
      body: Buffer.from(JSON.stringify({ text })),
      receivedAt: clock.now(),
      startedAt: 0,
      deadline: 0,
      peer: { proto: 'http', host: '', forwardedFor: '', user: undefined },
    }),
    /** What is in the blocks now, each as it was written last. */
    written: () => {
      const blocks = new Map(batches.flatMap(({ block }) => (block === undefined ? [] : [[block.block, block]])))
      const all = []
      for (const { body } of blocks.values()) all.push(unpackBlock(compress(body)).map(({ story }) => story))
      return all
    },
    dropped: (reason: string) => counters.read().get(`records_dropped_total{reason="${reason}"}`) ?? 0,
  }
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const idsIn = (blocks: readonly (readonly { id: string }[])[]) => blocks.map((stories) => stories.map(({ id }) => id))

describe('the recorder', () => {
  it('writes what has come in one batch, 200 ms later', async () => {
    const { recorder, clock, happened, batches, written } = await setUp()
    recorder.start()
    recorder.record(happened(1))
    recorder.record(happened(2))
    recorder.note('d0', { kind: 'dead', region: 'us', reason: 'poison' })
    clock.advance(199)
    await turns()
    expect(batches).toEqual([])
    clock.advance(1)
    await turns()
    expect(batches).toHaveLength(1)
    expect(idsIn(written())).toEqual([['d1', 'd2']])
    expect(batches[0]?.notes).toMatchObject([{ delivery: 'd0' }])
    await recorder.stop()
  })

  it('does not wait once there is a block full', async () => {
    const { recorder, happened, written } = await setUp()
    for (let id = 0; id < 128; id++) recorder.record(happened(id))
    await turns()
    expect(written().map(({ length }) => length)).toEqual([128])
    await recorder.stop()
  })

  it('writes a block again with what comes, until it is full', async () => {
    const { recorder, happened, written, batches } = await setUp()
    for (let id = 0; id < 100; id++) recorder.record(happened(id))
    await recorder.flush()
    for (let id = 100; id < 150; id++) recorder.record(happened(id))
    await recorder.flush()
    expect(batches.map(({ block }) => block?.block)).toEqual(['g1.1', 'g1.1', 'g1.2'])
    expect(written().map(({ length }) => length)).toEqual([128, 22])
    await recorder.stop()
  })

  it('fills the block that it has begun, and leaves the rest for the next one', async () => {
    const { recorder, happened, written, batches } = await setUp()
    for (let id = 0; id < 100; id++) recorder.record(happened(id))
    await recorder.flush()
    for (let id = 100; id < 150; id++) recorder.record(happened(id))
    await turns()
    expect(batches.map(({ block }) => block?.block)).toEqual(['g1.1', 'g1.1'])
    expect(written().map(({ length }) => length)).toEqual([128])
    await recorder.stop()
    expect(written().map(({ length }) => length)).toEqual([128, 22])
  })

  it('does not write a block that is nearly full for what it holds already, told again', async () => {
    const { recorder, happened, batches } = await setUp()
    for (let id = 0; id < 127; id++) recorder.record(happened(id, { isOver: false }))
    await recorder.flush()
    recorder.record(happened(5))
    await turns()
    expect(batches).toHaveLength(1)
    await recorder.stop()
    expect(batches).toHaveLength(2)
  })

  it('fills no block that is too old for more: what comes is the first of another, which can wait', async () => {
    const { recorder, clock, happened, batches } = await setUp()
    for (let id = 0; id < 127; id++) recorder.record(happened(id))
    await recorder.flush()
    clock.advance(10_000)
    recorder.record(happened(127))
    await turns()
    expect(batches).toHaveLength(1)
    await recorder.stop()
    expect(batches.map(({ block }) => block?.block)).toEqual(['g1.1', 'g1.2'])
  })

  it('leaves what has come since a block was filled for 200 ms more, in which the next one may be', async () => {
    const { recorder, clock, happened, written } = await setUp()
    recorder.start()
    for (let id = 0; id < 130; id++) recorder.record(happened(id))
    await turns()
    clock.advance(200)
    await turns()
    expect(written().map(({ length }) => length)).toEqual([128])
    clock.advance(200)
    await turns()
    expect(written().map(({ length }) => length)).toEqual([128, 2])
    await recorder.stop()
  })

  it('begins another block when one is 10 s old, or holds 256 Ki characters of bodies', async () => {
    const { recorder, clock, happened, written, sent } = await setUp({ bodies: 'all' })
    recorder.record(happened(1))
    await recorder.flush()
    clock.advance(10_000)
    for (let id = 2; id < 40; id++) {
      recorder.record(happened(id, { webhook: sent('x'.repeat(16_000)) }))
      await recorder.flush()
    }
    expect(written().map(({ length }) => length)).toEqual([1, 17, 17, 4])
    await recorder.stop()
  })

  it('counts the body of one that is told again once', async () => {
    const { recorder, happened, written, sent } = await setUp({ bodies: 'all' })
    for (let time = 0; time < 2; time++) {
      for (let id = 0; id < 10; id++) {
        recorder.record(happened(id, { webhook: sent('x'.repeat(16_384)) }))
        await recorder.flush()
      }
    }
    recorder.record(happened(10))
    await recorder.flush()
    expect(written().map(({ length }) => length)).toEqual([11])
    await recorder.stop()
  })

  it('puts no more bodies into a block than that, and leaves room for webhooks between any two that it reads', async () => {
    const { recorder, happened, written, sent } = await setUp({ bodies: 'all' })
    let passed = 0
    const count = (): void => {
      passed += 1
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    for (let id = 0; id < 40; id++) recorder.record(happened(id, { webhook: sent('x'.repeat(16_384)) }))
    await recorder.flush()
    clearImmediate(counting)
    expect(written().map(({ length }) => length)).toEqual([16, 16, 8])
    expect(passed).toBeGreaterThanOrEqual(40)
    await recorder.stop()
  })

  it('counts what cannot be put into words, and writes no block for it', async () => {
    const { recorder, happened, batches, dropped } = await setUp()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what no gateway tells
    recorder.record(happened(1, { resolution: { kind: 'routed' } as unknown as Happened['resolution'] }))
    await recorder.flush()
    expect(batches.flatMap(({ block }) => block ?? [])).toEqual([])
    expect(dropped('fault')).toBe(1)
    await recorder.stop()
  })

  it('writes once what is told twice before it is written, and instead of it what is told again since', async () => {
    const { recorder, happened, batches, written } = await setUp()
    recorder.record(happened(1, { isOver: false }))
    await recorder.flush()
    recorder.record(happened(2, { isOver: false }))
    recorder.record(happened(2))
    await recorder.flush()
    expect(written()).toMatchObject([
      [
        { id: 'd1', running: true },
        { id: 'd2', running: false },
      ],
    ])
    recorder.record(happened(1))
    await recorder.stop()
    expect(batches).toHaveLength(3)
    expect(written()).toMatchObject([
      [
        { id: 'd1', running: false },
        { id: 'd2', running: false },
      ],
    ])
  })

  it('writes again what is told again while it is written, as it is then', async () => {
    const { recorder, happened, batches, written, store } = await setUp()
    recorder.record(happened(1, { isOver: false }))
    recorder.record(happened(2))
    store.meanwhile = () => {
      store.meanwhile = undefined
      recorder.record(happened(1))
    }
    await recorder.flush()
    expect(batches.map(({ block }) => block?.block)).toEqual(['g1.1', 'g1.1'])
    expect(written()).toMatchObject([
      [
        { id: 'd1', running: false },
        { id: 'd2', running: false },
      ],
    ])
    await recorder.stop()
    expect(batches).toHaveLength(2)
  })

  it('writes once and in its place what is told again while the store does not take it', async () => {
    const { recorder, happened, batches, written, store } = await setUp()
    for (const id of [3, 1, 2]) recorder.record(happened(id, { isOver: false }))
    store.isAway = true
    store.meanwhile = () => {
      store.meanwhile = undefined
      recorder.record(happened(1))
    }
    await recorder.flush()
    recorder.record(happened(3))
    store.isAway = false
    await recorder.flush()
    expect(batches).toHaveLength(1)
    expect(written()).toMatchObject([
      [
        { id: 'd3', running: false },
        { id: 'd1', running: false },
        { id: 'd2', running: true },
      ],
    ])
    await recorder.stop()
  })

  it("writes what is told again into another block where its own is full, in nobody else's place", async () => {
    const { recorder, happened, batches, written } = await setUp()
    for (let id = 1; id <= 128; id++) recorder.record(happened(id))
    await recorder.flush()
    recorder.record(happened(129))
    await recorder.flush()
    recorder.record(happened(1))
    await recorder.flush()
    expect(batches.length).toBe(3)
    expect(idsIn(written()).at(-1)).toEqual(['d129', 'd1'])
    await recorder.stop()
  })

  it("loses nobody whose place in a block that was not taken is another's when it is", async () => {
    const { recorder, clock, happened, store, written } = await setUp()
    store.isAway = true
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what no gateway tells
    recorder.record(happened(1, { resolution: { kind: 'routed' } as unknown as Happened['resolution'] }))
    recorder.record(happened(2))
    await recorder.flush()
    store.isAway = false
    recorder.record(happened(1, { resolution: undefined }))
    clock.advance(1000)
    await recorder.flush()
    expect(idsIn(written())).toEqual([['d1', 'd2']])
    await recorder.stop()
  })

  it('holds 32 MiB of bodies at a time, each once however often it is told, and until it is written', async () => {
    const { recorder, happened, sent, written } = await setUp({ bodies: 'all' })
    const large = { ...sent(''), body: Buffer.alloc(12 * 1024 * 1024) }
    for (const id of [1, 1, 2, 1, 2, 3]) recorder.record(happened(id, { webhook: large }))
    await recorder.flush()
    for (const id of [4, 5, 6]) recorder.record(happened(id, { webhook: large }))
    await recorder.flush()
    const shown = written().map((stories) => stories.map(({ content }) => content?.bytes))
    expect(shown).toEqual([
      [large.body.length, large.body.length, undefined, large.body.length, large.body.length, undefined],
    ])
    await recorder.stop()
  })

  it('shows the body of one that came to fail only after it was told first', async () => {
    const { recorder, happened, sent, written } = await setUp({ bodies: 'failures' })
    const webhook = sent('hello')
    recorder.record(happened(1, { webhook, isOver: false }))
    recorder.record(happened(1, { webhook, failed: true }))
    await recorder.flush()
    expect(written()).toMatchObject([[{ id: 'd1', content: { body: '{"text":"hello"}' } }]])
    await recorder.stop()
  })

  it('adds nothing to a block of which some has been erased, and loses nothing of what has come since', async () => {
    const { recorder, happened, store, written } = await setUp()
    recorder.record(happened(1))
    await recorder.flush()
    store.sealed = 'g1.1'
    recorder.record(happened(2))
    recorder.note('d1', { kind: 'dead', region: 'us', reason: 'poison' })
    await recorder.flush()
    expect(idsIn(written())).toEqual([['d1'], ['d2']])
    await recorder.stop()
  })

  it('keeps what the store does not take, and writes it once it does', async () => {
    const { recorder, clock, happened, store, written, alarms } = await setUp()
    recorder.start()
    store.isAway = true
    recorder.record(happened(1))
    clock.advance(200)
    await turns()
    expect(alarms).toEqual(['records'])
    store.isAway = false
    clock.advance(900)
    await turns()
    expect(written()).toEqual([])
    clock.advance(300)
    await turns()
    expect(idsIn(written())).toEqual([['d1']])
    await recorder.stop()
  })

  it('writes all that has come when it is asked to, though a block is filled just then and written by itself', async () => {
    const { recorder, happened, written } = await setUp()
    for (let id = 0; id < 300; id++) recorder.record(happened(id))
    await turns()
    expect(written().map(({ length }) => length)).toEqual([128])
    const asked = recorder.flush()
    recorder.record(happened(300))
    await asked
    expect(idsIn(written()).flat()).toContain('d299')
    await recorder.stop()
  })

  it('writes all that has come when it is asked to, though some of it is told again meanwhile', async () => {
    const { recorder, happened, written, store } = await setUp()
    for (let id = 0; id < 300; id++) recorder.record(happened(id))
    await turns()
    store.meanwhile = () => {
      store.meanwhile = undefined
      recorder.record(happened(130))
    }
    await recorder.flush()
    expect(idsIn(written()).flat()).toContain('d299')
    await recorder.stop()
  })

  it('writes what became of deliveries when it is asked to, though no other has come', async () => {
    const { recorder, batches } = await setUp()
    for (let id = 0; id < 300; id++) recorder.note(`d${id}`, { kind: 'dead', region: 'us', reason: 'poison' })
    await recorder.flush()
    expect(batches.map(({ notes }) => notes.length)).toEqual([250, 50])
    await recorder.stop()
  })

  it('gives up when it is asked to write while the store is away, and goes on to wait', async () => {
    const { recorder, happened, store, written, alarms } = await setUp()
    store.isAway = true
    recorder.record(happened(1))
    await Promise.all([recorder.flush(), recorder.flush()])
    expect(alarms).toEqual(['records'])
    store.isAway = false
    await recorder.flush()
    expect(idsIn(written())).toEqual([['d1']])
    await recorder.stop()
  })

  it('counts what there is no room for while the store is away, and never throws', async () => {
    const { recorder, happened, store, dropped, alarms } = await setUp()
    store.isAway = true
    for (let id = 0; id < 10_003; id++) recorder.record(happened(id))
    expect(dropped('queue_full')).toBe(3)
    expect(alarms).toContain('records: queue_full')
    await recorder.stop()
    expect(dropped('queue_full')).toBe(10_003)
  })

  it('writes what is left when it stops', async () => {
    const { recorder, happened, written, clock } = await setUp()
    recorder.start()
    for (let id = 0; id < 600; id++) recorder.record(happened(id))
    await recorder.stop()
    expect(written().flat()).toHaveLength(600)
    expect(clock.pending()).toBe(0)
  })

  it('counts what is told after it has stopped, and neither writes nor throws', async () => {
    const { recorder, happened, batches, dropped, alarms, clock } = await setUp()
    recorder.start()
    await recorder.stop()
    recorder.note('d1', { kind: 'dead', region: 'us', reason: 'poison' })
    recorder.record(happened(1))
    await recorder.flush()
    await recorder.stop()
    expect([batches, dropped('queue_full'), clock.pending()]).toEqual([[], 2, 0])
    expect(alarms).toEqual(['records: queue_full', 'records: queue_full'])
  })

  it('lets go every 10 s of what is beyond its limits, a part after the other', async () => {
    const { recorder, clock, sweeps, store } = await setUp()
    recorder.start()
    store.removed = [50, 12]
    clock.advance(10_000)
    await turns()
    const { limit, before, maxBytes } = sweeps[0] ?? {}
    expect([limit, before, maxBytes]).toEqual([50, clock.now() - 2 * 86_400_000, 3 * 1024 * 1024])
    expect(sweeps).toHaveLength(2)
    clock.advance(9_000)
    await turns()
    expect(sweeps).toHaveLength(2)
    await recorder.stop()
  })
})
