import { aligned } from './aligned.ts'
import { standings, type Field, type Round, type Standing } from './ratio-results.ts'
import { othersHad, spread } from './statistics.ts'

const COLUMNS = ['CPU µs/request', 'gateway ÷ it', 'at most', '', 'requests/s', 'p50 ms', 'p99 ms', 'heap B/request']

/** Medians of the rounds, with the least and the most of them. */
export function ratioTable(field: Field): string {
  const rounds = field.contenders[0]?.rounds.length ?? 0
  const table = aligned([[`${field.title}, ${rounds} rounds`, ...COLUMNS], ...standings(field).map(rowOf)])
  const others = othersHad(field.contenders.flatMap((contender) => contender.rounds))
  const absent = field.absent.map(({ what, why }) => `${what} is not timed: ${why}`)
  return [table, others, ...absent].join('\n')
}

function rowOf({ what, isGateway, judged, cpuMicros, ratios, rounds }: Standing): string[] {
  const spreadOf = (figure: (round: Round) => number, digits: number): string => spread(rounds.map(figure), digits)
  const allocated = rounds.flatMap(({ allocatedBytes }) => allocatedBytes ?? [])
  return [
    what,
    spread(cpuMicros, 1),
    isGateway || ratios.length === 0 ? '' : spread(ratios, 2),
    judged?.atMost.toFixed(2) ?? '',
    judged?.verdict ?? '',
    spreadOf(({ perSecond }) => perSecond, 0),
    spreadOf(({ p50Ms }) => p50Ms, 2),
    spreadOf(({ p99Ms }) => p99Ms, 2),
    allocated.length === 0 ? 'n/a' : spread(allocated, 0),
  ]
}
