import { describe, expect, it } from 'vitest'
import type { Batch, Limits } from '../../../src/records/record-tables.ts'
import { createRecorder } from '../../../src/records/recorder.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import type { Happened } from '../../../src/telemetry/trace.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createSlackRig } from '../providers/slack/rig.ts'
import { eventCallback } from '../../support/slack-payloads.ts'

const rig = createSlackRig()

async function setUp() {
  const request = await rig.request({ body: eventCallback() })
  const clock = createManualClock()
  const counters = createCounters()
  const alarms: string[] = []
  const batches: Batch[] = []
  const sweeps: Limits[] = []
  const store = { isAway: false, removed: [] as number[] }
  const recorder = createRecorder({
    store: {
      async write(batch) {
        if (store.isAway) throw new Error('away')
        batches.push(batch)
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
    settings: () => ({ RECORD_BODIES: 'off', RECORD_DAYS: 2, RECORD_MAX_MB: 3 }),
  })
  const happened = (id: number | string, more: Partial<Happened> = {}): Happened => ({
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
    ...more,
  })
  return {
    recorder,
    clock,
    alarms,
    batches,
    sweeps,
    store,
    happened,
    written: () => batches.flatMap(({ records }) => records.map(({ delivery }) => delivery)),
    dropped: (reason: string) => counters.read().get(`records_dropped_total{reason="${reason}"}`) ?? 0,
  }
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

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
    expect(written()).toEqual(['d1', 'd2'])
    expect(batches[0]?.notes).toMatchObject([{ delivery: 'd0' }])
    await recorder.stop()
  })

  it('does not wait once there is a batch', async () => {
    const { recorder, happened, batches } = await setUp()
    for (let id = 0; id < 250; id++) recorder.record(happened(id))
    await turns()
    expect(batches).toHaveLength(1)
    await recorder.stop()
  })

  it('writes once what is told twice before it is written, and again what is told again since', async () => {
    const { recorder, happened, batches, written } = await setUp()
    recorder.record(happened(1, { isOver: false }))
    recorder.record(happened(1))
    await recorder.flush()
    expect(batches[0]?.records[0]?.story).toContain('"running":false')
    recorder.record(happened(1))
    await recorder.stop()
    expect(written()).toEqual(['d1', 'd1'])
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
    expect(written()).toEqual(['d1'])
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
    expect(written()).toHaveLength(600)
    expect(clock.pending()).toBe(0)
  })

  it('lets go every 10 s of what is beyond its limits, a part after the other', async () => {
    const { recorder, clock, sweeps, store } = await setUp()
    recorder.start()
    store.removed = [500, 12]
    clock.advance(10_000)
    await turns()
    const { limit, before, maxBytes } = sweeps[0] ?? {}
    expect([limit, before, maxBytes]).toEqual([500, clock.now() - 2 * 86_400_000, 3 * 1024 * 1024])
    expect(sweeps).toHaveLength(2)
    clock.advance(9_000)
    await turns()
    expect(sweeps).toHaveLength(2)
    await recorder.stop()
  })
})
