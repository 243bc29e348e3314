import type { Id } from './directory.ts'

const HIGHEST = 2n ** 63n - 1n

/** The id as the database holds it, or undefined where the text can be no row's id: no sign, no zeros in front. */
export function toStored(id: Id): bigint | undefined {
  if (!/^[1-9][0-9]{0,18}$/.test(id)) return undefined
  const stored = BigInt(id)
  return stored <= HIGHEST ? stored : undefined
}
