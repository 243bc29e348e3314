/** Of an even number of values the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/**
 * The quotient of each round's values. Rounds alternate, so whatever else the machine did in a round was done to both
 * and cancels out; the quotient of two medians may be of different minutes.
 */
export function ratios(values: readonly number[], to: readonly number[]): number[] {
  return values.flatMap((value, round) => {
    const other = to[round]
    return other === undefined ? [] : [value / other]
  })
}

/** Beyond it, CPU time tells as much of others as of what was measured. */
const MOST_OTHERS_PERCENT = 5

/** In a line, what share of the machine others had meanwhile, and in another that it was too much. */
export function othersHad(rounds: readonly { readonly othersShare: number }[]): string {
  const shares = rounds.map(({ othersShare }) => 100 * othersShare)
  const doubt = `\nIn doubt: above ${MOST_OTHERS_PERCENT} % they change what CPU time does; measure again.`
  return `others had ${spread(shares, 0)} % of the machine${median(shares) > MOST_OTHERS_PERCENT ? doubt : ''}`
}

/** `median (least to most)`. */
export function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`
}

/** The median beside what it may be at the most, for tables and JSON alike. */
export interface Judged {
  readonly median: number
  readonly atMost: number
  readonly verdict: 'holds' | 'FAILS'
}

export function judge(values: readonly number[], atMost: number): Judged {
  const middle = median(values)
  return { median: middle, atMost, verdict: verdict(middle, atMost) }
}

/** What a bench says of a target. NaN, which is what nothing was measured of, misses it. */
export function verdict(figure: number, atMost: number): 'holds' | 'FAILS' {
  return figure <= atMost ? 'holds' : 'FAILS'
}
