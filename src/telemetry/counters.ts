import { counters as declared } from './metrics.ts'
import { OTHER, regionLabel } from './region-label.ts'
import { seriesName } from './text-format.ts'

export type CounterName = keyof typeof declared
export type LabelsOf<Name extends CounterName> = Record<(typeof declared)[Name]['labels'][number], string>

export interface Counters {
  count<Name extends CounterName>(name: Name, labels: LabelsOf<Name>, times?: number): void
}

/** One count of a counter, by the values of its labels in their order. */
export interface Counted {
  readonly name: CounterName
  readonly values: readonly string[]
  readonly count: number
}

export interface CountersKept extends Counters {
  /** What was counted: each series as Prometheus writes it, and its count. */
  read(): ReadonlyMap<string, number>
  series(): Iterable<Counted>
}

/** How often something happened, and, by the value of the next label, how often each kind of it. */
interface Tally {
  count: number
  readonly by: Map<string, Tally>
}

/** Of one label, no more values are told apart. The sets are closed, but for the statuses that regions make up. */
const MAX_VALUES = 100

/** Counters kept in the process. `isRegion`: whether a region of this name is told apart from others. */
export function createCounters({ isRegion = () => true }: { isRegion?: (name: string) => boolean } = {}): CountersKept {
  const tallies = new Map<CounterName, Tally>()

  function below({ by }: Tally, label: string, value: string): Tally {
    const known = by.get(value)
    if (known !== undefined) return known
    // Every webhook counts several times: a value is judged when it first comes, and a series named when it is read.
    const admitted = label === 'region' ? regionLabel(value, isRegion) : by.size < MAX_VALUES ? value : OTHER
    let tally = by.get(admitted)
    if (tally === undefined) by.set(admitted, (tally = newTally()))
    return tally
  }

  function* series(): Generator<Counted> {
    for (const [name, tally] of tallies) yield* seriesOf(name, tally, [])
  }

  return {
    count(name: CounterName, labels: Readonly<Record<string, string>>, times = 1) {
      let tally = tallies.get(name)
      if (tally === undefined) tallies.set(name, (tally = newTally()))
      for (const label of declared[name].labels) tally = below(tally, label, labels[label] ?? '')
      tally.count += times
    },
    series,
    read: () =>
      new Map(series().map(({ name, values, count }) => [seriesName(name, declared[name].labels, values), count])),
  }
}

function newTally(): Tally {
  return { count: 0, by: new Map() }
}

function* seriesOf(name: CounterName, { count, by }: Tally, values: readonly string[]): Generator<Counted> {
  if (count > 0) yield { name, values, count }
  for (const [value, tally] of by) yield* seriesOf(name, tally, [...values, value])
}
