import type { Dedup } from '../../src/dedup/dedup.ts'
import type { DeliveryNow, DeliveryParts } from '../../src/delivery/delivery.ts'
import type { Directory, Lookup } from '../../src/directory/directory.ts'
import type { Answer } from '../../src/handle-webhook.ts'
import type { Region } from '../../src/regions/regions.ts'
import type { NewRow, Spool } from '../../src/spool/spool.ts'

/** A way to break the gateway at one of its seams, so that what the simulation holds to be true is seen to be false. */
export interface Mutation {
  readonly instance: (name: string) => string
  readonly spool: (spool: Spool) => Spool
  readonly dedup: (dedup: Pick<Dedup<Answer>, 'once'>) => Pick<Dedup<Answer>, 'once'>
  readonly delivery: (parts: DeliveryParts) => DeliveryParts
  /** How the directory is asked for what waits: each time, where another one remembers. */
  readonly asking: (asking: Asked, remembering: Asked) => Asked
}

type Asked = Pick<Directory, 'find'>

export const intact: Mutation = {
  instance: (name) => name,
  spool: (spool) => spool,
  dedup: (dedup) => dedup,
  delivery: (parts) => parts,
  asking: (asking) => asking,
}

const never = new Promise<never>(() => {})
const spoolWith = (change: (spool: Spool) => Partial<Spool>): Mutation => ({
  ...intact,
  spool: (spool) => ({ ...spool, ...change(spool) }),
})

function withIdempotentRegions(now: DeliveryNow): DeliveryNow {
  const regions = now.topology.regions.map((region): Region => ({ ...region, idempotent: true }))
  const byName = new Map(regions.map((region) => [region.name, region]))
  return { ...now, topology: { ...now.topology, regions, byName } }
}

function withoutPast(lookup: Lookup): Lookup {
  if (lookup.verdict === 'absent' || lookup.verdict === 'unknown') return lookup
  const organizations = lookup.installation.organizations.map(({ formerly: _formerly, ...one }) => one)
  return { ...lookup, installation: { ...lookup.installation, organizations } }
}

export const mutations = {
  /** Says that it has stored what it has not. */
  forgets_rows: spoolWith((spool) => ({
    append: async (rows, options) => {
      const stored = await spool.append([], options)
      return stored.concat(rows.map((_, at) => ({ kind: 'stored', id: 1_000_000 + at, mailbox: 1_000_000 })))
    },
  })),
  /** What could not be delivered goes behind what came after it. */
  loses_its_place: spoolWith((spool) => {
    const rows = new Map<number, NewRow>()
    return {
      async append(given, options) {
        const results = await spool.append(given, options)
        for (const [at, row] of given.entries()) {
          const stored = results[at]
          if (stored?.kind === 'stored') rows.set(stored.id, row)
        }
        return results
      },
      async settle(claim, settlement) {
        const row = rows.get(claim.row)
        if (settlement.kind !== 'again' || row === undefined) return spool.settle(claim, settlement)
        const { kind: _, ...progress } = settlement
        const isDone = await spool.settle(claim, { kind: 'delivered' })
        await spool.append([{ ...row, state: { kind: 'waiting', ...progress } }], { giveUpAt: Infinity })
        return isDone
      },
    }
  }),
  /** What has moved goes behind what waits there. */
  moves_to_the_end: spoolWith((spool) => ({
    async settle(claim, settlement) {
      if (settlement.kind !== 'moved') return spool.settle(claim, settlement)
      const isDone = await spool.settle(claim, { kind: 'delivered' })
      if (isDone) await spool.append(settlement.rows, { giveUpAt: Infinity })
      return isDone
    },
  })),
  /** Sends what waits to where its organizations lived a minute ago. */
  remembers_homes: { ...intact, asking: (_, remembering) => remembering },
  /** Sends what waits whatever still waits where its organizations lived before. */
  forgets_former_homes: { ...intact, asking: ({ find }) => ({ find: async (key) => withoutPast(await find(key)) }) },
  /** Does not write down that it is about to post. */
  forgets_posting: spoolWith(() => ({ posting: () => Promise.resolve(true) })),
  /** Two processes that the store takes for one. */
  one_identity: { ...intact, instance: () => 'the same' },
  /** Does what comes again once more. */
  forgets_duplicates: {
    ...intact,
    dedup: () => ({ once: async (_request, work) => ({ kind: 'first', done: await work() }) }),
  },
  /** Asks every region again, whatever it said of itself. */
  asks_again: {
    ...intact,
    delivery: (parts) => ({ ...parts, now: () => withIdempotentRegions(parts.now()) }),
  },
  /** Never says that it could not write. */
  never_gives_up: spoolWith((spool) => ({
    append: (rows, options) => spool.append(rows, options).catch(() => never),
  })),
  /** Says that it has written down that an answer is owed. */
  forgets_debts: spoolWith(() => ({ owe: () => Promise.resolve() })),
  /** Never writes down that something was delivered. */
  forgets_endings: spoolWith(() => ({ settle: () => Promise.resolve(true) })),
  /** Lets what failed go without a word. */
  drops_what_fails: spoolWith((spool) => ({
    settle: (claim, settlement) =>
      spool.settle(claim, settlement.kind === 'again' ? { kind: 'delivered' } : settlement),
  })),
} as const satisfies Record<string, Mutation>

export type MutationName = keyof typeof mutations
