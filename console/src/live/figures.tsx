import type { ComponentChildren } from 'preact'
import { count, duration, share } from '../format.ts'
import type { Now } from '../shapes.ts'
import { summaryOf } from './seconds.ts'

/** The numbers one glances at. */
export function Figures({ now, history }: { now: Now; history: readonly Now[] }) {
  const minutes = summaryOf(history)
  const { second } = now
  const figures: readonly (readonly [name: string, value: ComponentChildren, beside: string])[] = [
    ['Webhooks', count(second.webhooks), 'in the last second'],
    [
      'Failed',
      minutes.webhooks === 0 ? '–' : share(minutes.failed / minutes.webhooks),
      `${count(minutes.failed)} in 5 min`,
    ],
    ['Half answered in', second.answer_ms === null ? '–' : duration(second.answer_ms.p50), 'in the last second'],
    ['99 % answered in', second.answer_ms === null ? '–' : duration(second.answer_ms.p99), 'in the last second'],
    ['Under way', count(now.under_way), 'webhooks'],
    ['Late answers', count(now.late_answers_owed), 'owed'],
  ]
  return (
    <dl class="figures">
      {figures.map(([name, value, beside]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <b>{value}</b> <span class="fine">{beside}</span>
          </dd>
        </div>
      ))}
    </dl>
  )
}
