import { histograms as declared, namesOf, type DescribedHistogram } from './metrics.ts'
import type { Sample } from './text-format.ts'

export type HistogramName = keyof typeof declared
/** The value of its one label; a histogram without one takes nothing. */
export type HistogramLabel<Name extends HistogramName> = (typeof declared)[Name]['labels'] extends readonly []
  ? ''
  : string

export interface Histograms {
  /** Costs a look-up and some comparisons, and makes nothing. */
  observe<Name extends HistogramName>(name: Name, label: HistogramLabel<Name>, seconds: number): void
}

export interface HistogramsKept extends Histograms {
  /** A histogram's series: how many were at most each bound, then the sum and the count. */
  samples(name: HistogramName): Iterable<Sample>
}

/** How many fell into each bucket, the last one without a bound; behind them the sum. */
type Series = Float64Array

/** Histograms kept in the process. */
export function createHistograms(): HistogramsKept {
  const kept = new Map(
    namesOf(declared).map((name) => {
      const { buckets, labels }: DescribedHistogram = declared[name]
      const series = new Map<string, Series>(labels.length === 0 ? [['', newSeries(buckets)]] : [])
      return [name, { buckets, labels, series }]
    }),
  )

  return {
    observe(name, label, seconds) {
      const histogram = kept.get(name)
      if (histogram === undefined) return
      const { buckets, series } = histogram
      let counts = series.get(label)
      if (counts === undefined) series.set(label, (counts = newSeries(buckets)))
      let at = 0
      while (at < buckets.length && seconds > (buckets[at] ?? Infinity)) at++
      counts[at] = (counts[at] ?? 0) + 1
      counts[buckets.length + 1] = (counts[buckets.length + 1] ?? 0) + seconds
    },

    *samples(name) {
      const { buckets, labels, series } = kept.get(name) ?? {
        buckets: [],
        labels: [],
        series: new Map<string, Series>(),
      }
      for (const [label, counts] of series) {
        const values = labels.length === 0 ? [] : [label]
        let count = 0
        for (const [at, bound] of [...buckets, Infinity].entries()) {
          count += counts[at] ?? 0
          yield { values, suffix: '_bucket', le: bound === Infinity ? '+Inf' : String(bound), value: count }
        }
        yield { values, suffix: '_sum', value: counts[buckets.length + 1] ?? 0 }
        yield { values, suffix: '_count', value: count }
      }
    },
  }
}

function newSeries(buckets: readonly number[]): Series {
  return new Float64Array(buckets.length + 2)
}
