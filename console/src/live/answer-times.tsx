import { duration } from '../format.ts'
import { PROVIDER_WAITS_MS } from '../limits.ts'
import type { Series } from '../parts/plot.tsx'
import type { Now } from '../shapes.ts'
import { HistoryPlot } from './history-plot.tsx'
import { summaryOf } from './seconds.ts'

/** How long webhooks waited for their answer, against what Slack waits. */
export function AnswerTimes({ history }: { history: readonly Now[] }) {
  return (
    <HistoryPlot
      title="Time to the answer"
      aside="from the first byte, last 5 min"
      history={history}
      seriesOf={seriesOf}
      summary={inWords(history)}
      log={{ min: 1, max: 10_000 }}
      limit={{ at: PROVIDER_WAITS_MS, name: 'Slack gives up after 3 s' }}
      format={duration}
    />
  )
}

function seriesOf(told: readonly (Now | null)[]): Series[] {
  const answers = told.map((second) => second?.second.answer_ms ?? null)
  return [
    { name: '99 % within', stroke: '--series-2', dash: [4, 3], values: answers.map((ms) => ms && ms.p99) },
    { name: 'half within', stroke: '--series-1', values: answers.map((ms) => ms && ms.p50) },
  ]
}

function inWords(history: readonly Now[]): string {
  const { typicalP50, worstP99 } = summaryOf(history)
  if (typicalP50 === undefined || worstP99 === undefined)
    return 'Time to the answer: nothing was answered in the last five minutes.'
  const against = worstP99 < PROVIDER_WAITS_MS ? 'always within' : 'over'
  return `Time to the answer: in a typical second half within ${duration(typicalP50)}; in the slowest 99 % within ${duration(worstP99)}, ${against} the three seconds that Slack waits.`
}
