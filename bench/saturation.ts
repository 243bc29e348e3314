/** Halvings: to a thirtieth of where it begins. */
const STEPS = 5

/** Of a hundred, so many may find no connection free before their server is said not to keep up. */
const MOST_WAITING = 0.01
/** What the last answer takes is in the time in which they were answered. */
const LEAST_ANSWERED = 0.98

export interface Asked {
  /** Sent in a second, and answered. */
  readonly sentPerSecond: number
  readonly perSecond: number
  readonly due: number
  /** That had a good answer. */
  readonly accepted: number
  /** Those that no connection was free for when they were due. */
  readonly waited: number
}

/** Whether a server does what it is asked at a constant rate, or falls further and further behind. */
export function keptUp({ sentPerSecond, perSecond, due, accepted, waited }: Asked): boolean {
  return accepted === due && waited <= due * MOST_WAITING && perSecond >= sentPerSecond * LEAST_ANSWERED
}

/** The highest rate that is kept up with, below one that is not: halves what is between the two. 0: none was. */
export async function highestRate(tooMany: number, keepsUp: (perSecond: number) => Promise<boolean>): Promise<number> {
  let [can, cannot] = [0, tooMany]
  for (let step = 0; step < STEPS; step += 1) {
    const rate = Math.round((can + cannot) / 2)
    if (await keepsUp(rate)) can = rate
    else cannot = rate
  }
  return can
}
