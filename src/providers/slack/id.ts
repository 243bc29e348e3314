import type { Id } from '../../directory/directory.ts'

const LARGEST_ID = 2n ** 63n - 1n

/** The id these digits are, in its one canonical spelling, or undefined where the text is no 64-bit id. */
export function readId(text: string): Id | undefined {
  const digits = /^0*(\d{1,19})$/.exec(text)?.[1]
  if (digits === undefined) return undefined
  const id = BigInt(digits)
  return id <= LARGEST_ID ? String(id) : undefined
}
