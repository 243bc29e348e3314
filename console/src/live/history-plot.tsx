import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'
import { Plot, type PlotProps, type Series } from '../parts/plot.tsx'
import { Section } from '../parts/section.tsx'
import type { Now } from '../shapes.ts'
import { HISTORY_SECONDS } from '../stream.ts'
import { drawn } from './seconds.ts'

/** The last five minutes under a title, second by second, and what more there is to say of them. */
export function HistoryPlot({
  title,
  aside,
  history,
  seriesOf,
  children,
  ...plot
}: {
  title: string
  aside: string
  history: readonly Now[]
  /** What is drawn of each second; null: nobody knows what was then. */
  seriesOf: (told: readonly (Now | null)[]) => Series[]
  children?: ComponentChildren
} & Pick<PlotProps, 'summary' | 'log' | 'limit' | 'format'>) {
  const seen = useMemo(() => {
    const { times, told } = drawn(history)
    return { times, series: seriesOf(told) }
  }, [history])
  return (
    <Section title={title} aside={aside}>
      <Plot {...plot} {...seen} span={HISTORY_SECONDS} />
      {children}
    </Section>
  )
}
