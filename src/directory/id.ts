import type { Id } from './directory.ts'

const HIGHEST = 2n ** 63n - 1n

/** The number these digits are, or undefined where no row can have it as its id: rows count from 1, in 64 bits. */
export function toStored(text: string): bigint | undefined {
  const digits = /^0*([1-9][0-9]{0,18})$/.exec(text)?.[1]
  if (digits === undefined) return undefined
  const stored = BigInt(digits)
  return stored <= HIGHEST ? stored : undefined
}

/** The same id in its one spelling: zeros in front are dropped, as by every reader of integers. */
export function readId(text: string): Id | undefined {
  return toStored(text)?.toString()
}
