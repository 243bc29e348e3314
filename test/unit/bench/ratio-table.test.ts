import { describe, expect, it } from 'vitest'
import { standings } from '../../../bench/ratio-results.ts'
import { ratioTable } from '../../../bench/ratio-table.ts'
import { fieldOf, roundsOf } from './ratio-results.ts'

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
    expect(rowOf(table, 'silo-gateway')).not.toContain('1.00 (')
  })

  it('says what it is to cost at the most', () => {
    expect(rowOf(ratioTable(fieldOf([gateway, bare])), 'bare')).toMatch(/1\.30 \(1\.25 to 1\.30\) +1\.30 /)
  })

  it('says that there is no ratio to a gateway that did not take part', () => {
    expect(standings(fieldOf([bare]))[0]?.ratios).toEqual([])
    expect(ratioTable(fieldOf([bare]))).not.toContain('NaN')
  })

  it('counts the errors of all rounds', () => {
    const failing = { ...bare, rounds: roundsOf(1, 2).map((round, at) => ({ ...round, errors: at + 3 })) }
    expect(rowOf(ratioTable(fieldOf([failing])), 'bare')).toMatch(/ 7$/)
  })

  it('tells allocations in bytes, and that servers without a V8 heap have none', () => {
    const allocating = { ...bare, rounds: roundsOf(1).map((round) => ({ ...round, allocatedBytes: 21_000.4 })) }
    expect(rowOf(ratioTable(fieldOf([allocating])), 'bare')).toContain(' 21000 ')
    expect(rowOf(ratioTable(fieldOf([bolt])), 'Bolt')).toContain(' n/a ')
  })

  it('names who did not take part, and what that wants', () => {
    const table = ratioTable({ ...fieldOf([bare]), missing: [{ what: 'HAProxy', needs: 'haproxy' }] })
    expect(table).toContain('HAProxy did not take part: haproxy is not installed')
  })
})

function rowOf(table: string, what: string): string {
  return table.split('\n').find((line) => line.startsWith(what)) ?? ''
}
