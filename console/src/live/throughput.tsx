import { count, counted, words } from '../format.ts'
import type { Series } from '../parts/plot.tsx'
import type { Now } from '../shapes.ts'
import { HistoryPlot } from './history-plot.tsx'
import { Minutes } from './minutes.tsx'
import { groupsOf, summaryOf, type Groups, type Summary } from './seconds.ts'

/** How many webhooks come, and how they end: groups that stand on each other. */
export function Throughput({ history }: { history: readonly Now[] }) {
  const summary = summaryOf(history)
  return (
    <HistoryPlot
      title="Webhooks a second"
      aside="by how they ended, last 5 min"
      history={history}
      seriesOf={seriesOf}
      summary={inWords(summary)}
      format={(value) => count(value)}
    >
      <Outcomes summary={summary} />
      <Minutes history={history} />
    </HistoryPlot>
  )
}

function seriesOf(told: readonly (Now | null)[]): Series[] {
  const groups = told.map((second) => second && groupsOf(second))
  const of = (count: (group: Groups) => number) => groups.map((group) => group && count(group))
  // They stand on each other, with what went wrong at the bottom, where it is compared best.
  return [
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
