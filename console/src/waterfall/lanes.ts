import { duration, words } from '../format.ts'
import type { Tone } from '../parts/mark.tsx'
import type { Delivery } from '../shapes.ts'

export type Attempt = Delivery['attempts'][number]

/** What an attempt did with its time: it stood in the region's queue, was being sent, waited, and read the answer. */
export type Stage = 'queued' | 'sending' | 'waiting' | 'reading'

export interface Bar {
  readonly stage: Stage
  /** Milliseconds on the chart's axis. */
  readonly from: number
  readonly to: number
}

/** One attempt as it is drawn. */
export interface Lane {
  readonly id: string
  readonly name: string
  /** At a glance: `200 · 24 ms`. */
  readonly result: string
  readonly tone: Tone
  readonly bars: readonly Bar[]
  /** Where it ends; undefined: it has not. */
  readonly end: number | undefined
  /** Every figure, in a sentence. */
  readonly figures: string
}

export function laneOf(attempt: Attempt, id: string): Lane {
  const { region, number, started_ms: started, ended_ms: ended, breaker } = attempt
  const took = duration(ended - started)
  const isOdd = breaker !== null && breaker !== 'closed'
  return {
    id,
    name: number === 1 ? region : `${region}, attempt ${number}`,
    // Its cause is in the figures: there is no room for it beside a bar.
    result: [resultOf({ ...attempt, cause: null }), took, ...(isOdd ? [`breaker ${words(breaker)}`] : [])].join(' · '),
    tone: toneOf(attempt),
    bars: barsOf(attempt),
    end: ended,
    figures: `${region}, attempt ${number}: ${sentenceOf(attempt)}`,
  }
}

/** A region that was asked and has not come to its end. */
export function openLane(region: string): Lane {
  return {
    id: region,
    name: region,
    result: 'still being asked',
    tone: 'quiet',
    bars: [],
    end: undefined,
    figures: `${region}: still being asked`,
  }
}

/** In words that an operator can look up: a status, or the reason as it stands in logs. */
export function resultOf({ result, status, cause }: Pick<Attempt, 'result' | 'status' | 'cause'>): string {
  if (result === 'answered') return String(status)
  return cause === null ? result : `${result} (${cause})`
}

export function toneOf({ result, status, sent_ms: sent, slot_ms: slot }: Attempt): Tone {
  if (result === 'answered') return status !== null && status < 400 ? 'good' : 'bad'
  if (result === 'spooled') return 'wait'
  // What had no slot was never tried: the region is down, held, or its breaker is open.
  return sent === null && slot === null && result !== 'timeout' ? 'quiet' : 'bad'
}

/** Stages end where the next begins, or where the attempt ended without coming to it. */
function barsOf({ started_ms, slot_ms, sent_ms, first_byte_ms, ended_ms }: Attempt): Bar[] {
  const steps: [Stage, number | null, number | null][] = [
    ['queued', started_ms, slot_ms],
    ['sending', slot_ms, sent_ms],
    ['waiting', sent_ms, first_byte_ms],
    ['reading', first_byte_ms, ended_ms],
  ]
  return steps.flatMap(([stage, from, to]) => (from === null ? [] : [{ stage, from, to: to ?? ended_ms }]))
}

function sentenceOf(attempt: Attempt): string {
  const { started_ms: started, slot_ms: slot, sent_ms: sent, first_byte_ms: first, ended_ms: ended, breaker } = attempt
  const how = attempt.result === 'answered' ? `answered with ${attempt.status}` : resultOf(attempt)
  return [
    `${how} after ${duration(ended - started)}`,
    `begun at ${duration(started)}`,
    ...(slot === null
      ? ['never had a slot']
      : slot > started
        ? [`waited ${duration(slot - started)} for its slot`]
        : []),
    ...(sent === null ? ['never sent'] : [`sent at ${duration(sent)}`]),
    ...(first === null ? [] : [`first byte at ${duration(first)}`]),
    `ended at ${duration(ended)}`,
    ...(breaker === null ? [] : [`breaker ${words(breaker)}`]),
  ].join(', ')
}

/** Round figures from 0 to `end`, at most `most` steps. */
export function ticksTo(end: number, most: number): number[] {
  const least = end / Math.max(1, most)
  const decade = 10 ** Math.floor(Math.log10(least))
  const step = [1, 2, 5, 10].map((times) => times * decade).find((size) => size >= least) ?? least
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step)
}
