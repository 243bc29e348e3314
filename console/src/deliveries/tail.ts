import { effect, signal, type ReadonlySignal } from '@preact/signals'
import type { DeliveryListing } from '../shapes.ts'
import { leftOut, recent } from '../stream.ts'

/** What a person can look through; more would only make each change slower to draw. */
const KEPT = 200
/** What comes alone is shown at once; of many a second nobody could read more, and a table is expensive to paint. */
const SHOW_MS = 1000

export interface Tail {
  /** The newest first. */
  readonly rows: ReadonlySignal<readonly DeliveryListing[]>
  /** How many have come that wait until the tail goes on. */
  readonly waiting: ReadonlySignal<number>
  /** How many came so quickly that the stream has not told them, since it was begun. */
  readonly missed: ReadonlySignal<number>
  readonly isPaused: ReadonlySignal<boolean>
  readonly pause: () => void
  readonly goOn: () => void
  readonly end: () => void
}

/** Puts deliveries before those that are there as they come: those that are wanted, the newest some hundred. */
export function followTail(before: readonly DeliveryListing[], isWanted: (one: DeliveryListing) => boolean): Tail {
  let held: readonly DeliveryListing[] = merged(recent.peek().filter(isWanted), before).toSorted((a, b) =>
    a.id < b.id ? 1 : -1,
  )
  const rows = signal<readonly DeliveryListing[]>(held)
  const waiting = signal(0)
  const missed = signal(0)
  const isPaused = signal(false)
  const missedBefore = leftOut.peek()
  let head = recent.peek()[0]
  let timer: ReturnType<typeof setTimeout> | undefined
  let shownAt = -Infinity

  function show(): void {
    timer = undefined
    shownAt = performance.now()
    rows.value = held
    waiting.value = 0
  }

  function countWaiting(): void {
    const shown = new Set(rows.peek().map(({ id }) => id))
    waiting.value = held.filter(({ id }) => !shown.has(id)).length
  }

  const look = effect(() => {
    const told = recent.value
    missed.value = leftOut.value - missedBefore
    const known = head === undefined ? -1 : told.indexOf(head)
    ;[head] = told
    const come = (known === -1 ? told : told.slice(0, known)).filter(isWanted)
    if (come.length === 0) return
    held = merged(come, held)
    if (isPaused.peek()) countWaiting()
    else timer ??= setTimeout(show, Math.max(0, shownAt + SHOW_MS - performance.now()))
  })

  return {
    rows,
    waiting,
    missed,
    isPaused,
    pause() {
      clearTimeout(timer)
      timer = undefined
      isPaused.value = true
      // Those too that were to be shown within the second.
      countWaiting()
    },
    goOn() {
      isPaused.value = false
      show()
    },
    end() {
      clearTimeout(timer)
      look()
    },
  }
}

/** One is told again when its last region has come to its end: then it stands as it is now. */
function merged(come: readonly DeliveryListing[], before: readonly DeliveryListing[]): readonly DeliveryListing[] {
  const again = new Map(come.map((one) => [one.id, one]))
  const kept = before.map((one) => {
    const now = again.get(one.id)
    again.delete(one.id)
    return now ?? one
  })
  return [...come.filter(({ id }) => again.has(id)), ...kept].slice(0, KEPT)
}
