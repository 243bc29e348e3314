import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { latencyResults, type Climbs, type Judged, type Round } from '../../../bench/latency-results.ts'
import { publish, readPublished } from '../../../bench/published.ts'
import { resultsOf } from './ratio-results.ts'

const all = (ms: number) => ({ p50: ms, p99: ms, p999: ms, longest: ms })
const round = (p50: number, p99: number, cpuMicros: number, sentPerSecond = 50): Round => ({
  sentPerSecond,
  due: 100,
  counted: 100,
  accepted: 100,
  failures: {},
  perSecond: 100,
  latencyMs: { ...all(p99), p50 },
  lagMs: all(0.1),
  waited: 0,
  cpuMicros,
  othersShare: 0.01,
})
const rounds = [round(1, 15, 130), round(0.5, 5, 128), round(2, 51, 120)]
const mute = { ...round(9, 9, Number.POSITIVE_INFINITY), accepted: 0, lagMs: all(Number.NaN) }
const climbs: Climbs = {
  gateway: {
    what: 'silo-gateway',
    saturation: [110, 100, 120],
    saturationBehind: 0,
    steps: [{ what: '50 %', rounds }],
  },
  bare: { what: 'bare', saturation: [200, 190, 210], saturationBehind: 2, steps: [{ what: '50 %', rounds: [mute] }] },
  trial: {
    gateway: { what: '70 %', rounds: [round(1, 3, 100, 60), round(1, 2, 100, 80), round(1, 5, 100, 70)] },
    bareOwn: { what: 'its own 70 %', rounds: [round(1, 2, 60, 140)] },
    bareSame: { what: "the gateway's 70 %", rounds: [round(1, 1, 60, 70)] },
  },
}
const judged: Judged = {
  share: 0.7,
  atMost: 1.3,
  ownRates: { rounds: [{ ratio: 1.2, leftOut: null }], median: 1.2, verdict: 'holds' },
  sameRate: { rounds: [{ ratio: 2, leftOut: 'generator behind' }], median: Number.NaN, verdict: 'not judged' },
}
const { machine } = resultsOf()
const latency = latencyResults(climbs, judged, { machine, rounds: 3, seconds: 4 })

describe('what is published of latencies under load', () => {
  it('has medians, and the rounds that they are of', () => {
    expect(latency.series[0]?.points).toEqual([
      {
        perSecond: 50,
        p50Ms: 1,
        p99Ms: 15,
        cpuMicros: 128,
        lagP99Ms: 0.1,
        notAnswered: 0,
        rounds: [
          { sentPerSecond: 50, p50Ms: 1, p99Ms: 15, cpuMicros: 130, othersShare: 0.01 },
          { sentPerSecond: 50, p50Ms: 0.5, p99Ms: 5, cpuMicros: 128, othersShare: 0.01 },
          { sentPerSecond: 50, p50Ms: 2, p99Ms: 51, cpuMicros: 120, othersShare: 0.01 },
        ],
      },
    ])
  })

  it('has what each can do at the most', () => {
    expect(latency.series.map(({ saturation }) => saturation)).toEqual([
      [110, 100, 120],
      [200, 190, 210],
    ])
  })

  it('has what is judged, and how, and what that is of', () => {
    expect(latency.judged).toMatchObject({
      share: 0.7,
      atMost: 1.3,
      ownRates: { rounds: [{ ratio: 1.2, leftOut: null }], median: 1.2, verdict: 'holds' },
      sameRate: { rounds: [{ ratio: 2, leftOut: 'generator behind' }], median: null, verdict: 'not judged' },
      gateway: [
        { sentPerSecond: 60, p99Ms: 3 },
        { sentPerSecond: 80, p99Ms: 2 },
        { sentPerSecond: 70, p99Ms: 5 },
      ],
      bareOwn: [{ sentPerSecond: 140, p99Ms: 2 }],
      bareSame: [{ sentPerSecond: 70, p99Ms: 1 }],
    })
  })

  it('is read again as it was written, where nothing was sent or answered too', () => {
    expect(latency.series[1]?.points[0]).toMatchObject({ cpuMicros: null, lagP99Ms: null, notAnswered: 100 })
    const folder = mkdtempSync(join(tmpdir(), 'silo-gateway-published-'))
    try {
      publish({ latency }, folder)
      expect(readPublished(folder)).toEqual({ latency })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
