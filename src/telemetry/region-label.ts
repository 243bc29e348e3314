import { isHeldRegion } from '../spool/spool.ts'

/** Whatever is not told apart from others like it. */
export const OTHER = 'other'

/**
 * A region as a label bears it: by its name where `regions.yaml` knows that, so that what a directory or an old mailbox
 * says makes no series. No region's name begins with `@`.
 */
export function regionLabel(name: string, isRegion: (name: string) => boolean): string {
  if (name === '') return '@unresolved'
  if (isHeldRegion(name)) return '@held'
  return isRegion(name) ? name : OTHER
}
