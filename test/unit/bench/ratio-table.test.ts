import { describe, expect, it } from 'vitest'
import { standings, summarized } from '../../../bench/ratio-results.ts'
import { ratioTable } from '../../../bench/ratio-table.ts'
import { fieldOf, resultsOf, roundsOf } from './ratio-results.ts'

const gateway = { name: 'gateway', what: 'silo-gateway', rounds: roundsOf(65, 130, 70) }
const bare = { name: 'bare-request', what: 'bare', limit: 1.3, rounds: roundsOf(50, 100, 56) }
const bolt = { name: 'bolt-fetch', what: 'Bolt', rounds: roundsOf(400, 500, 350) }

describe('the ratio table', () => {
  it('has a row for each contender, the cheapest first', () => {
    expect(standings(fieldOf([bolt, gateway, bare])).map(({ what }) => what)).toEqual(['bare', 'silo-gateway', 'Bolt'])
  })

  it('says what the gateway costs as a multiple of each, by the median of the rounds', () => {
    const table = ratioTable(fieldOf([gateway, bare, bolt]))
    expect(rowOf(table, 'bare')).toContain('1.30 (1.25 to 1.30)')
    expect(rowOf(table, 'Bolt')).toContain('0.20 (0.16 to 0.26)')
    expect(rowOf(table, 'silo-gateway')).toMatch(/^silo-gateway +70\.0 \(65\.0 to 130\.0\) +1000 \(/)
  })

  it('says what it is to cost at the most, and whether it does', () => {
    const row = (limit: number): string => rowOf(ratioTable(fieldOf([gateway, { ...bare, limit }])), 'bare')
    expect(row(1.3)).toMatch(/1\.30 \(1\.25 to 1\.30\) +1\.30 +holds /)
    expect(row(1.29)).toMatch(/1\.30 \(1\.25 to 1\.30\) +1\.29 +FAILS /)
  })

  it('says that there is no ratio to a gateway that did not take part', () => {
    expect(standings(fieldOf([bare]))[0]?.ratios).toEqual([])
    expect(ratioTable(fieldOf([bare]))).not.toMatch(/NaN|holds|FAILS/)
  })

  it('tells allocations in bytes, and that servers without a V8 heap have none', () => {
    const allocating = { ...bare, rounds: roundsOf(1).map((round) => ({ ...round, allocatedBytes: 21_000.4 })) }
    expect(rowOf(ratioTable(fieldOf([allocating])), 'bare')).toMatch(/ 21000 \(21000 to 21000\)$/)
    expect(rowOf(ratioTable(fieldOf([bolt])), 'Bolt')).toMatch(/ n\/a$/)
  })

  it('names who is not in it, and why', () => {
    const table = ratioTable({ ...fieldOf([bare]), absent: [{ what: 'HAProxy', why: 'haproxy is not installed' }] })
    expect(table).toContain('HAProxy is not timed: haproxy is not installed')
  })
})

describe('the ratio table as JSON', () => {
  it('has what is in the table beside the rounds it comes from', () => {
    const [field] = summarized(resultsOf(fieldOf([gateway, bare]))).fields
    expect(field?.standings).toEqual([
      { what: 'bare', cpuMicros: 56, gatewayRatio: 1.3, atMost: 1.3, verdict: 'holds' },
      { what: 'silo-gateway', cpuMicros: 70 },
    ])
    expect(field?.contenders[1]?.rounds).toEqual(bare.rounds)
  })
})

function rowOf(table: string, what: string): string {
  return table.split('\n').find((line) => line.startsWith(what)) ?? ''
}
