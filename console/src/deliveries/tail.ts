import { computed, effect, signal, type ReadonlySignal } from '@preact/signals'
import type { DeliveryListing } from '../shapes.ts'
import { leftOut, recent } from '../stream.ts'

/** A window full and more: each time that something is put before them, all of them are painted anew, seen or not. */
const KEPT = 40
/** What comes alone is shown at once; of many a second nobody could read more, and a table is expensive to paint. */
const TELL_MS = 1000
/** As many as can be skimmed: making rows that nobody reads would be most of what the page does. */
export const SHOWN_A_SECOND = 10
/** As many as the stream tells in a second: only where the tail is paused there can be more. */
const WAITING = 200
/** Told again when their last region has come to its end, the last of these are not counted twice. */
const REMEMBERED = 2000

export interface Tail {
  /** The newest first. */
  readonly rows: ReadonlySignal<readonly DeliveryListing[]>
  /** How many have come that wait until the tail goes on. */
  readonly waiting: ReadonlySignal<number>
  /** How many came so quickly that they are not shown, or the stream has not told them, since it was begun. */
  readonly missed: ReadonlySignal<number>
  readonly isPaused: ReadonlySignal<boolean>
  readonly pause: () => void
  readonly goOn: () => void
  readonly end: () => void
}

/**
 * Puts deliveries before those that are there as they come: those that are wanted, the newest forty. Where more come
 * than can be read it takes some, first those that failed, and counts the others.
 */
export function followTail(before: readonly DeliveryListing[], isWanted: (one: DeliveryListing) => boolean): Tail {
  const rows = signal(
    merged(recent.peek().filter(isWanted), before)
      .toSorted((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, KEPT),
  )
  const waiting = signal(0)
  const notShown = signal(0)
  const leftOutBefore = leftOut.peek()
  const missed = computed(() => leftOut.value - leftOutBefore + notShown.value)
  const isPaused = signal(false)
  /** Since something was shown. */
  let come: readonly DeliveryListing[] = []
  const passedOver = new Set<string>()
  let forgotten = 0
  let heard = new Set(recent.peek())
  let timer: ReturnType<typeof setTimeout> | undefined
  let toldAt = -Infinity
  let room = 0

  /** Those that have no row yet. */
  function withoutRow(some: readonly DeliveryListing[]): readonly DeliveryListing[] {
    const shown = new Set(rows.peek().map(({ id }) => id))
    return some.filter(({ id }) => !shown.has(id))
  }

  function passOver(some: Iterable<DeliveryListing>): void {
    for (const { id } of some) passedOver.add(id)
    for (const id of passedOver) {
      if (passedOver.size <= REMEMBERED) break
      passedOver.delete(id)
      forgotten += 1
    }
  }

  function count(): void {
    waiting.value = withoutRow(come).length
    notShown.value = forgotten + passedOver.size
    toldAt = performance.now()
  }

  /** What has come, as far as that makes no more than so many new rows. Returns how many it made. */
  function show(most: number): number {
    const fresh = withoutRow(come)
    const taken = firstFailed(fresh, most)
    const left = new Set(fresh.filter((one) => !taken.has(one)))
    for (const { id } of taken) passedOver.delete(id)
    passOver(left)
    rows.value = merged(
      come.filter((one) => !left.has(one)),
      rows.peek(),
    ).slice(0, KEPT)
    come = []
    count()
    return taken.size
  }

  /** Once a second, paused too: a number that changes is a window painted anew. */
  function tell(): void {
    timer = undefined
    if (isPaused.peek()) {
      count()
      return
    }
    const quietMs = performance.now() - toldAt
    // What comes at once after a quiet while is seen whole.
    room = Math.min(KEPT, room + (quietMs / 1000) * SHOWN_A_SECOND)
    room -= show(room)
  }

  const look = effect(() => {
    const told = recent.value
    const wanted = told
      .filter((one) => !heard.has(one) && isWanted(one))
      .filter(({ id, failed }) => failed || !passedOver.has(id))
    heard = new Set(told)
    if (wanted.length === 0) return
    come = merged(wanted, come)
    const kept = firstFailed(come, WAITING)
    passOver(withoutRow(come.filter((one) => !kept.has(one))))
    come = come.filter((one) => kept.has(one))
    timer ??= setTimeout(tell, Math.max(0, toldAt + TELL_MS - performance.now()))
  })

  return {
    rows,
    waiting,
    missed,
    isPaused,
    pause() {
      isPaused.value = true
      // Those too that were to be shown within the second.
      count()
    },
    goOn() {
      isPaused.value = false
      show(KEPT)
    },
    end() {
      clearTimeout(timer)
      look()
    },
  }
}

/** No more of them than that: first those that failed, and the newest of either. */
function firstFailed(some: readonly DeliveryListing[], most: number): ReadonlySet<DeliveryListing> {
  return new Set(some.toSorted((a, b) => Number(b.failed) - Number(a.failed)).slice(0, most))
}

/** One is told again when its last region has come to its end: then it stands as it is now. */
function merged(come: readonly DeliveryListing[], before: readonly DeliveryListing[]): readonly DeliveryListing[] {
  const again = new Map(come.map((one) => [one.id, one]))
  const kept = before.map((one) => {
    const now = again.get(one.id)
    again.delete(one.id)
    return now ?? one
  })
  return [...come.filter(({ id }) => again.has(id)), ...kept]
}
