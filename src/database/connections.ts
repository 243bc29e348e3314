import type { Kysely } from 'kysely'

/** What a database gives those who use it, so that nobody waits who need not. */
export interface Connections<Schema> {
  readonly lookUps: Kysely<Schema>
  /** A write waits here for others, and look-ups do not wait for it. */
  readonly writes: Kysely<Schema>
  /** Long work gets a connection of its own. */
  aside<Result>(work: (db: Kysely<Schema>) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}
