import { describe, expect, it } from 'vitest'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { createSpanQueue } from '../../../src/telemetry/span-queue.ts'
import type { Span } from '../../../src/telemetry/span.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const span: Span = {
  name: 'a span',
  kind: 'server',
  context: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) },
  startMs: 0,
  endMs: 1,
  failed: false,
  attributes: {},
}

/** A queue before a collector that answers when it is told to. */
function setUp() {
  const clock = createManualClock()
  const counters = createCounters()
  const alarms: unknown[] = []
  const exports: {
    readonly spans: number
    readonly take: () => Promise<void>
    readonly refuse: () => Promise<void>
  }[] = []
  const queue = createSpanQueue({
    clock,
    counters,
    alarms: { raise: (level, _key, fields) => alarms.push([level, fields]) },
    exportSpans: (spans) =>
      new Promise((resolve, reject) => {
        const heard = () => new Promise<void>((turn) => setImmediate(turn))
        exports.push({
          spans: spans.length,
          take: () => (resolve(), heard()),
          refuse: () => (reject(new Error('http_500')), heard()),
        })
      }),
  })
  return {
    clock,
    queue,
    alarms,
    exports,
    sizes: () => exports.map(({ spans }) => spans),
    counted: () => Object.fromEntries(counters.read()),
    add: (spans: number) => {
      for (let added = 0; added < spans; added++) queue.add(span)
    },
  }
}

describe('spans on their way to a collector', () => {
  it('wait 5 s for others to go with', () => {
    const { add, clock, sizes } = setUp()
    add(1)
    clock.advance(4999)
    add(2)
    expect(sizes()).toEqual([])
    clock.advance(1)
    expect(sizes()).toEqual([3])
  })

  it('go at once when there are 512 of them', () => {
    const { add, sizes, clock } = setUp()
    add(512)
    expect(sizes()).toEqual([512])
    expect(clock.pending()).toBe(0)
  })

  it('go one batch after the other, the next as soon as it is full', async () => {
    const { add, sizes, exports } = setUp()
    add(512 + 512 + 10)
    expect(sizes()).toEqual([512])
    await exports[0]?.take()
    expect(sizes()).toEqual([512, 512])
    await exports[1]?.take()
    expect(sizes()).toEqual([512, 512])
  })

  it('that came while others were sent wait no longer than those', async () => {
    const { add, sizes, exports, clock } = setUp()
    add(513)
    await exports[0]?.take()
    clock.advance(5000)
    expect(sizes()).toEqual([512, 1])
  })

  it('are counted when they have been taken', async () => {
    const { add, clock, exports, counted } = setUp()
    add(3)
    clock.advance(5000)
    expect(counted()).toEqual({})
    await exports[0]?.take()
    expect(counted()).toEqual({ spans_exported_total: 3 })
  })

  it('are lost where they are not taken, which is counted and told', async () => {
    const { add, clock, exports, counted, alarms } = setUp()
    add(3)
    clock.advance(5000)
    await exports[0]?.refuse()
    expect(counted()).toEqual({ 'spans_dropped_total{reason="export_failed"}': 3 })
    expect(alarms).toEqual([['warn', { reason: 'http_500', spans: 3 }]])
    add(1)
    clock.advance(5000)
    expect(exports).toHaveLength(2)
  })

  it('are no more than 2048 while a collector is slow: what finds no room is lost and counted', async () => {
    const { add, exports, counted, sizes } = setUp()
    add(512 + 2048 + 7)
    expect(counted()).toEqual({ 'spans_dropped_total{reason="queue_full"}': 7 })
    await exports[0]?.take()
    add(512)
    expect(counted()).toMatchObject({ 'spans_dropped_total{reason="queue_full"}': 7 })
    expect(sizes()).toEqual([512, 512])
  })
})

describe('when the gateway closes', () => {
  it('what there is is sent at once, behind what is on its way', async () => {
    const { add, queue, sizes, exports, counted, clock } = setUp()
    add(512 + 513)
    const closed = queue.close()
    await exports[0]?.take()
    await exports[1]?.take()
    await exports[2]?.take()
    await closed
    expect(sizes()).toEqual([512, 512, 1])
    expect(counted()).toEqual({ spans_exported_total: 1025 })
    expect(clock.pending()).toBe(0)
  })

  it('nobody waits where there is nothing to send', async () => {
    const { queue, clock } = setUp()
    await queue.close()
    expect(clock.pending()).toBe(0)
  })

  it('a collector that does not answer is waited for 2 s, and what it has not got is counted', async () => {
    const { add, queue, counted, clock, exports } = setUp()
    add(512 + 100)
    let isClosed = false
    const closed = queue.close().then(() => (isClosed = true))
    clock.advance(1999)
    await new Promise((resolve) => setImmediate(resolve))
    expect(isClosed).toBe(false)
    clock.advance(1)
    await closed
    expect(counted()).toEqual({ 'spans_dropped_total{reason="closed"}': 100 })
    await exports[0]?.refuse()
    expect(exports).toHaveLength(1)
  })

  it('what still comes is lost, and counted', async () => {
    const { add, queue, counted, exports } = setUp()
    await queue.close()
    add(2)
    expect(exports).toEqual([])
    expect(counted()).toEqual({ 'spans_dropped_total{reason="closed"}': 2 })
  })
})
