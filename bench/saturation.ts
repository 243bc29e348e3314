/** Halvings: to a thirtieth of where it begins. */
const STEPS = 5

/** Of a hundred, so many may find no connection free before their server is said not to keep up. */
const MOST_WAITING = 0.01
/** What the last answer takes is in the time in which they were answered. */
const LEAST_ANSWERED = 0.98

/** How a server fared at a constant rate. */
export interface ConstantRate {
  readonly sentPerSecond: number
  /** Answered in a second. */
  readonly perSecond: number
  readonly due: number
  /** That had a good answer. */
  readonly accepted: number
  /** Without those that were sent while connections were made. */
  readonly counted: number
  /** Of these: those that no connection was free for when they were due. */
  readonly waited: number
}

/** Whether it does what it is asked, or falls further and further behind. */
export function keptUp({ sentPerSecond, perSecond, due, accepted, counted, waited }: ConstantRate): boolean {
  return accepted === due && waited <= counted * MOST_WAITING && perSecond >= sentPerSecond * LEAST_ANSWERED
}

/** The highest that was kept up with, 0 if none was, and the lowest above it that was not. */
export interface Found {
  readonly highest: number
  readonly tooHigh: number
}

/**
 * Halves what is between a rate that is kept up with and one that is not, of which there is a guess. A rate is too high
 * where it fails twice: once may have been the machine's doing.
 */
export async function highestRate(guess: number, keepsUp: (perSecond: number) => Promise<boolean>): Promise<Found> {
  const works = async (rate: number): Promise<boolean> => (await keepsUp(rate)) || (await keepsUp(rate))
  let [can, cannot] = [0, guess]
  for (let step = 0; step < STEPS; step += 1) {
    const rate = Math.round((can + cannot) / 2)
    if (await works(rate)) can = rate
    else cannot = rate
  }
  if (cannot < guess) return { highest: can, tooHigh: cannot }
  // None has failed: it was guessed too low.
  for (; await works(cannot); cannot = Math.round(cannot * 1.1)) can = cannot
  return { highest: can, tooHigh: cannot }
}
