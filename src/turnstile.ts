/**
 * What a webhook reads and makes is some 60 KB, and the cache that a core has for itself holds a megabyte or two. Of 2,
 * 4, 6, 8, 12, 16 and 32 this took the least CPU with 256 connections; of fewer, each pays for more of a turn.
 */
const AT_A_TIME = 8

/** Undefined: through at once. Else resolves when its turn has come. */
export type Turnstile = () => Promise<void> | undefined

/**
 * Lets so many through in a turn of the event loop, and the others in the next ones, in the order in which they came.
 * All that have come would else be begun before any of them goes on, and with hundreds under way each finds nothing in
 * the cache any more of what it left there: a gateway that had fallen behind needed more for each, and stayed behind.
 * With it, a fifth less; `bench/README.md` has the figures.
 */
export function createTurnstile(atATime = AT_A_TIME): Turnstile {
  // Not linked to each other: one that has grown old would keep all that came after it (see `short-lived-map.ts`).
  const waiting: (() => void)[] = []
  let through = 0
  let isTurning = false

  function turnLater(): void {
    if (isTurning) return
    isTurning = true
    setImmediate(() => {
      isTurning = false
      const next = waiting.splice(0, atATime)
      through = next.length
      if (through > 0) turnLater()
      for (const goOn of next) goOn()
    })
  }

  return () => {
    turnLater()
    if (through < atATime) {
      through += 1
      return undefined
    }
    return new Promise((resolve) => waiting.push(resolve))
  }
}
