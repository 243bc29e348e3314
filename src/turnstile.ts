import type { Clock } from './clock.ts'

/**
 * What a webhook reads and makes is some 60 KB, and the cache that a core has for itself holds a megabyte or two. Of 2,
 * 4, 6, 8, 12, 16 and 32, with 256 connections those from 4 to 8 took the least CPU; of fewer, each pays for more of a
 * turn.
 */
const AT_A_TIME = 8
/** One that goes to eight regions leaves as much behind as several: of those only as many as take so long together. */
const TURN_MS = 1

/** Undefined: through at once. Else resolves when its turn has come. */
export type Turnstile = () => Promise<void> | undefined

/**
 * Lets so many through in a turn of the event loop, and the others in the next ones, in the order in which they came.
 * All that have come would else be begun before any of them goes on, and with hundreds under way each finds nothing in
 * the cache any more of what it left there: a gateway that had fallen behind needed more for each, and stayed behind.
 * With it, each takes a fifth less CPU there; `bench/README.md` has the figures.
 */
export function createTurnstile(clock: Pick<Clock, 'monotonic'>): Turnstile {
  // Not linked to each other: one that has grown old would keep all that came after it (see `short-lived-map.ts`). Nor
  // one list that is kept and emptied from its front: see `recorder.ts`.
  let waiting: (() => void)[] = []
  let atATime = AT_A_TIME
  let through = 0
  let turnedAt: number | undefined

  function turn(): void {
    const next = waiting.slice(0, atATime)
    waiting = waiting.slice(atATime)
    through = next.length
    turnedAt = undefined
    if (through === 0) return
    turnLater()
    turnedAt = clock.monotonic()
    for (const goOn of next) goOn()
  }

  /** Comes right behind the turn, and so behind all that those set off at once. */
  function lookBack(): void {
    if (turnedAt === undefined) return
    const eachMs = (clock.monotonic() - turnedAt) / through
    atATime = Math.max(1, Math.min(AT_A_TIME, Math.round(TURN_MS / eachMs)))
  }

  function turnLater(): void {
    setImmediate(turn)
    setImmediate(lookBack)
  }

  return () => {
    if (waiting.length > 0 || through >= atATime) return new Promise((resolve) => waiting.push(resolve))
    if (through === 0) turnLater()
    through += 1
    return undefined
  }
}
