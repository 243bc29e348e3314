import type { Excuses } from './judge.ts'
import type { Load, World, WorldOptions } from './world.ts'

/** One thing that goes wrong. */
export interface Fault {
  readonly name: string
  readonly excuses?: Excuses
  readonly world?: Partial<Pick<WorldOptions, 'env' | 'entries' | 'hurtAddress' | 'preload' | 'within' | 'fleet'>>
  /** Where other than the usual. */
  readonly load?: (form: Form) => Load
  /** So much at once that whatever else is measured meanwhile is too. */
  readonly alone?: boolean
  /** Left out of the quick form. */
  readonly fullOnly?: boolean
  /** Lets it go wrong under load and puts it right again. */
  run(world: World, form: Form): Promise<void>
}

export type Form = 'quick' | 'full'

/** What this machine cannot produce. */
export class Skipped extends Error {}
