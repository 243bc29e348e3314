import type { Clock } from '../clock.ts'
import type { Reply, RoutableRequest } from '../provider.ts'
import { createShortLivedMap } from '../short-lived-map.ts'
import type { Sealer } from '../spool/seal.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Claims } from './claims.ts'
import { createKeptAnswers } from './kept-answers.ts'
import { packAnswer, unpackAnswer } from './outcome.ts'
import { createRecentKeys, fingerprintOf, type Fingerprint } from './recent-keys.ts'

/** How long it is remembered that a request was dealt with: as long as Slack's own last retry can be away. */
const STATUS_LIFE_MS = 25 * 3_600_000
/** How long an answer is kept: a signature is good for five minutes either way. */
const ANSWER_LIFE_MS = 600_000

/** How much longer than its budget a claim stands: by then its answer is out, and the others have heard of it. */
const LEASE_BEYOND_BUDGET_MS = 1000
/** How often it is asked what came of a request that another instance deals with. */
const POLL_MS = 50
/** So long before the deadline nobody waits for that any more: the answer has to get out. */
const GIVE_UP_MS = 50

/** What came of a request. */
export interface Handled {
  readonly reply: Reply
  /** Whether one that comes again is a duplicate of this: it has left a durable trace, or a region has answered it. */
  readonly remember: boolean
}

export type Once<Done extends Handled> =
  /** It was the first, and this is what its work came to. */
  | { readonly kind: 'first'; readonly done: Done }
  /** The first was still running, and its end is this one's too. */
  | { readonly kind: 'joined'; readonly done: Done }
  /** The first has been dealt with. `reply`: its answer, where it was asked to be kept. */
  | { readonly kind: 'stored'; readonly reply: Reply | undefined }
  /** Another instance has not come to the end of it by this one's deadline, so nobody knows what it will come to. */
  | { readonly kind: 'undecided' }

/** A request that may have come before. Its times are on the monotonic clock. */
export interface Repeatable extends Pick<RoutableRequest, 'remember'> {
  readonly key: string
  readonly startedAt: number
  readonly deadline: number
}

/** With what its key is found by in this process. */
interface Known extends Repeatable {
  readonly fingerprint: Fingerprint
}

/** A request that is being dealt with. */
interface Running<Done extends Handled> {
  readonly key: string
  readonly once: Promise<Once<Done>>
  /** Another one, whose key has the same number. */
  readonly next: Running<Done> | undefined
}

export interface Dedup<Done extends Handled = Handled> {
  /**
   * Does the work unless a request of the same key is being dealt with or has been. Throws what the work throws, to
   * those that joined it as well; work that failed, or does not want to be remembered, leaves no trace here. For one
   * whose `remember` is `'nothing'` the work is always done.
   */
  once(request: Repeatable, work: () => Promise<Done>): Promise<Once<Done>>
  /** Takes the memory that it may come to need, a part with each step. */
  reserve(): Generator<void>
}

/** What is needed to know of requests that came to other instances. */
export interface Fleet {
  readonly claims: Claims
  /** Answers hold customers' data. */
  readonly sealer: () => Sealer
  /** Unique in the fleet. */
  readonly instance: string
}

/**
 * Keeps in the process at most `maxEntries` requests of each kind, the oldest forgotten first. In a fleet it also asks
 * and tells the others; where that is not possible, the process is on its own and the work is done.
 */
export function createDedup<Done extends Handled = Handled>(parts: {
  maxEntries: number
  clock: Clock
  counters: Counters
  fleet?: Fleet | undefined
}): Dedup<Done> {
  const { maxEntries: max, clock, counters, fleet } = parts
  const running = createShortLivedMap<Running<Done>>()
  const statuses = createRecentKeys({ max, lifeMs: STATUS_LIFE_MS, clock })
  const answers = createKeptAnswers({ max, lifeMs: ANSWER_LIFE_MS, clock })
  let claimed = 0

  function runningOf({ key, fingerprint }: Known): Running<Done> | undefined {
    let one = running.get(numberOf(fingerprint))
    while (one !== undefined && one.key !== key) one = one.next
    return one
  }

  function begin({ key, fingerprint }: Known, once: Promise<Once<Done>>): void {
    const number = numberOf(fingerprint)
    running.set(number, { key, once, next: running.get(number) })
  }

  function end({ key, fingerprint }: Known): void {
    const number = numberOf(fingerprint)
    const left = without(key, running.get(number))
    if (left === undefined) running.delete(number)
    else running.set(number, left)
  }

  function keep({ remember, fingerprint }: Known, reply: Reply): void {
    if (remember === 'answer') answers.add(fingerprint, reply)
    else statuses.add(fingerprint, reply.status)
  }

  async function carryOut(request: Known, work: () => Promise<Done>): Promise<Once<Done> & { kind: 'first' }> {
    const done = await work()
    if (done.remember) keep(request, done.reply)
    return { kind: 'first', done }
  }

  /**
   * An outcome that cannot be told is not told again: the claim lapses, and one that comes after that is carried out
   * again by whichever instance it comes to. Nobody waits for the telling: Redis bounds it, and counts what fails.
   */
  async function acrossFleet(request: Known, work: () => Promise<Done>, others: Fleet): Promise<Once<Done>> {
    const { claims } = others
    claimed += 1
    const token = `${others.instance} ${claimed}`
    const known = await askOthers(request, token, others)
    if (known !== undefined) return known

    let outcome: { bytes: Buffer; lifeMs: number } | undefined
    try {
      const once = await carryOut(request, work)
      if (once.done.remember) outcome = outcomeFor(request, once.done.reply, others.sealer())
      return once
    } finally {
      const told =
        outcome === undefined
          ? claims.release(request.key, token)
          : claims.settle(request.key, outcome.bytes, outcome.lifeMs)
      told.catch(() => {})
    }
  }

  /** What the others know of it, waited for if need be; undefined: it is this one's to deal with. */
  async function askOthers(request: Known, token: string, { claims, sealer }: Fleet) {
    const { key, startedAt, deadline } = request
    const leaseMs = deadline - startedAt + LEASE_BEYOND_BUDGET_MS
    for (;;) {
      const state = await claims.claim(key, token, leaseMs).catch(() => undefined)
      if (state === undefined || state.kind === 'ours') return undefined
      if (state.kind === 'done') {
        const reply = replyIn(request, state.outcome, sealer())
        if (reply === undefined) return undefined
        keep(request, reply)
        return stored(request, reply)
      }
      const leftMs = deadline - GIVE_UP_MS - clock.monotonic()
      if (leftMs <= 0) {
        counters.count('dedup_total', { kind: 'undecided' })
        return { kind: 'undecided' } as const
      }
      await new Promise<void>((resolve) => clock.after(Math.min(POLL_MS, leftMs), resolve))
    }
  }

  function stored({ remember }: Repeatable, reply: Reply | undefined) {
    counters.count('dedup_total', { kind: 'stored' })
    return { kind: 'stored', reply: remember === 'answer' ? reply : undefined } as const
  }

  // Nothing is awaited between looking and beginning: of a thousand at once exactly one finds nothing.
  return {
    async once(request, work) {
      const { key, remember } = request
      if (remember === 'nothing') return { kind: 'first', done: await work() }

      const known: Known = { ...request, fingerprint: fingerprintOf(key) }
      const before = runningOf(known)
      if (before !== undefined) {
        counters.count('dedup_total', { kind: 'joined' })
        const once = await before.once
        return once.kind === 'first' ? { kind: 'joined', done: once.done } : once
      }

      const reply = remember === 'answer' ? answers.get(known.fingerprint) : undefined
      if (reply !== undefined || (remember === 'status' && statuses.get(known.fingerprint) !== undefined)) {
        return stored(request, reply)
      }

      const begun = fleet === undefined ? carryOut(known, work) : acrossFleet(known, work, fleet)
      begin(known, begun)
      try {
        return await begun
      } finally {
        end(known)
      }
    },
    *reserve() {
      yield* statuses.reserve()
      yield* answers.reserve()
    },
  }
}

/** Of 31 bits, which V8 holds without an object of their own. */
function numberOf([word]: Fingerprint): number {
  return word >>> 1
}

function without<Done extends Handled>(key: string, one: Running<Done> | undefined): Running<Done> | undefined {
  if (one === undefined || one.key === key) return one?.next
  return { ...one, next: without(key, one.next) }
}

/** A status is no secret, so that it is known to whoever has other keys, too. */
function outcomeFor({ key, remember }: Repeatable, reply: Reply, sealer: Sealer): { bytes: Buffer; lifeMs: number } {
  return remember === 'answer'
    ? { bytes: packAnswer(key, reply, sealer), lifeMs: ANSWER_LIFE_MS }
    : { bytes: Buffer.from(String(reply.status)), lifeMs: STATUS_LIFE_MS }
}

/** Undefined where it cannot be read: then no answer is known, and the request is a new one. */
function replyIn({ key, remember }: Repeatable, outcome: Buffer, sealer: Sealer): Reply | undefined {
  if (remember === 'answer') return unpackAnswer(key, outcome, sealer)
  const text = outcome.toString('latin1')
  return /^\d{3}$/.test(text) ? { status: Number(text), rawHeaders: [], body: Buffer.alloc(0) } : undefined
}
