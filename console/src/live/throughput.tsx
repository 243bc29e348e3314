import { useMemo } from 'preact/hooks'
import { count, counted, words } from '../format.ts'
import { Plot, type Series } from '../parts/plot.tsx'
import { Section } from '../parts/section.tsx'
import type { Now } from '../shapes.ts'
import { HISTORY_SECONDS } from '../stream.ts'
import { Minutes } from './minutes.tsx'
import { drawn, groupsOf, summaryOf, type Groups, type Summary } from './seconds.ts'

/** How many webhooks come, and how they end: groups that stand on each other. */
export function Throughput({ history }: { history: readonly Now[] }) {
  const { times, series } = useMemo(() => {
    const { times, told } = drawn(history)
    const groups = told.map((second) => second && groupsOf(second))
    const of = (count: (group: Groups) => number) => groups.map((group) => group && count(group))
    // They stand on each other, with what went wrong at the bottom, where it is compared best.
    const series: Series[] = [
      {
        name: 'answered here',
        stroke: '--rule-strong',
        fill: '--sunk',
        values: of(({ here, passedOn, spooled, failed }) => here + passedOn + spooled + failed),
        told: of(({ here }) => here),
      },
      {
        name: 'passed on',
        stroke: '--good',
        fill: '--good-soft',
        values: of(({ passedOn, spooled, failed }) => passedOn + spooled + failed),
        told: of(({ passedOn }) => passedOn),
      },
      {
        name: 'put off',
        stroke: '--wait',
        fill: '--wait-soft',
        values: of(({ spooled, failed }) => spooled + failed),
        told: of(({ spooled }) => spooled),
      },
      { name: 'failed', stroke: '--bad', fill: '--bad-soft', values: of(({ failed }) => failed) },
    ]
    return { times, series }
  }, [history])
  const summary = summaryOf(history)
  return (
    <Section title="Webhooks a second" aside="by how they ended, last 5 min">
      <Plot
        summary={inWords(summary)}
        times={times}
        span={HISTORY_SECONDS}
        series={series}
        format={(value) => count(value)}
      />
      <Outcomes summary={summary} />
      <Minutes history={history} />
    </Section>
  )
}

function Outcomes({ summary: { outcomes, webhooks } }: { summary: Summary }) {
  if (webhooks === 0) return null
  return (
    <ul class="outcomes" aria-label="Outcomes of the last five minutes">
      <li aria-hidden="true">in 5 min:</li>
      {outcomes.map(([outcome, times]) => (
        <li key={outcome}>
          {words(outcome)} <b>{count(times)}</b>
        </li>
      ))}
    </ul>
  )
}

function inWords({ webhooks, failed, seconds, outcomes }: Summary): string {
  if (webhooks === 0) return 'Webhooks a second: none came in the last five minutes.'
  const most = outcomes.slice(0, 4).map(([outcome, times]) => `${words(outcome)} ${count(times)}`)
  return `Webhooks a second: ${counted(webhooks, 'webhook')} in ${counted(seconds, 'second')}, ${count(failed)} failed; ${most.join(', ')}.`
}
