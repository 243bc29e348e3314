import { age, counted, words } from './format.ts'
import type { Tone } from './parts/mark.tsx'
import type { RegionStanding } from './shapes.ts'

/** How a region is, as one looks at it: the worst first. */
export function toneOf({ state, breaker, mailboxes }: RegionStanding): Tone {
  if (state === 'down' || breaker === 'open') return 'bad'
  if (state === 'draining' || breaker === 'half_open' || (mailboxes?.paused ?? 0) > 0) return 'wait'
  return 'good'
}

/** The same in a word or two. */
export function conditionOf({ state, breaker, mailboxes }: RegionStanding): string {
  if (state !== 'active') return words(state)
  if (breaker === 'open') return 'breaker open'
  if (breaker === 'half_open') return 'breaker half open'
  return (mailboxes?.paused ?? 0) > 0
    ? `active, ${counted(mailboxes?.paused ?? 0, 'mailbox', 'mailboxes')} paused`
    : 'active'
}

/** Of all regions: `All 3 regions take traffic.`, or which do not, and why. */
export function regionsInWords(regions: readonly RegionStanding[]): string {
  const out = regions.filter(({ state, breaker }) => state !== 'active' || breaker === 'open')
  if (regions.length === 0) return 'There is no region.'
  if (out.length === 0)
    return regions.length === 1 ? 'The region takes traffic.' : `All ${regions.length} regions take traffic.`
  const why = out.map((region) => `${region.name}: ${conditionOf(region)}`).join('; ')
  return `${regions.length - out.length} of ${regions.length} regions take traffic (${why}).`
}

/** What waits in the mailboxes of some regions: `Nothing waits.`, or how much and for how long. */
export function waitingInWords(regions: readonly RegionStanding[], at: number): string {
  const known = regions.flatMap(({ mailboxes }) => mailboxes ?? [])
  if (known.length < regions.length) return 'What waits is not known: the database cannot be asked.'
  const depth = known.reduce((total, one) => total + one.depth, 0)
  if (depth === 0) return 'Nothing waits.'
  const since = Math.min(...known.flatMap(({ oldest_at }) => (oldest_at === null ? [] : [Date.parse(oldest_at)])))
  const oldest = Number.isFinite(since) ? `, the oldest for ${age(at - since)}` : ''
  return `${counted(depth, 'delivery waits', 'deliveries wait')}${oldest}.`
}
