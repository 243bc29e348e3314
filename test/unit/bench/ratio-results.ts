import type { Field, RatioResults, Round } from '../../../bench/ratio-results.ts'

/** Rounds of a contender that took this much CPU time for each request; nothing else of them is of interest. */
export function roundsOf(...cpuMicros: number[]): Round[] {
  return cpuMicros.map((cpu) => ({
    perSecond: 1000,
    requests: 1000,
    p50Ms: 1,
    p99Ms: 2,
    othersShare: 0,
    cpuMicros: cpu,
  }))
}

export function fieldOf(contenders: Field['contenders']): Field {
  return { title: 'one region', contenders, absent: [] }
}

export function resultsOf(...fields: Field[]): RatioResults {
  const machine = { cpu: 'CPU', cores: 2, memoryGiB: 4, kernel: '6.1', node: 'v26.0.0', date: '2026-01-01' }
  return { machine, rounds: 3, seconds: 1, connections: 32, fields }
}
