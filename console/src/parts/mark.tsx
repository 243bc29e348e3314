import type { ComponentChildren } from 'preact'

/** `good` goes well, `wait` is put off, `bad` failed, `quiet` is neither. */
export type Tone = 'good' | 'wait' | 'bad' | 'quiet'

/** A word with a shape and a colour of its own, so that no colour says anything alone. */
export function Mark({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`mark ${tone}`}>
      <svg viewBox="0 0 10 10" aria-hidden="true">
        <path d={shapes[tone]} />
      </svg>
      <span>{children}</span>
    </span>
  )
}

/** A disc, a triangle, a square, a ring, each in 10 by 10. */
export const shapes: Readonly<Record<Tone, string>> = {
  good: 'M5 1a4 4 0 1 0 0 8a4 4 0 1 0 0-8z',
  wait: 'M5 .8L9.6 9H.4z',
  bad: 'M1 1h8v8h-8z',
  quiet: 'M5 1a4 4 0 1 0 0 8a4 4 0 1 0 0-8zM5 2.6a2.4 2.4 0 1 1 0 4.8a2.4 2.4 0 1 1 0-4.8z',
}

/** What an outcome of a delivery means at a glance. */
export function outcomeTone(outcome: string, failed: boolean): Tone {
  if (failed) return outcome === 'late' ? 'wait' : 'bad'
  return outcome === 'spooled' ? 'wait' : outcome === 'passed_on' ? 'good' : 'quiet'
}
