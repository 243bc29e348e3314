import type { Region } from '../regions/regions.ts'
import type { Priority } from './slots.ts'

/**
 * Whether a region is worth a call. Closed, it counts how calls end; when too many of those in the window have failed
 * it opens and admits none for `openMs`. From then on it is half open and admits one at a time, the probe: its success
 * closes it, its failure opens it again. It never waits for anybody to be closed: there is always a next probe.
 */
export interface Breaker {
  readonly state: BreakerState
  /**
   * Undefined: no call now. One that is admitted has to `end`, and until then, if it is the probe, nobody else is.
   * What is admitted as anything but the probe and then waits must ask again when it is sent.
   */
  admit(priority: Priority): Pass | undefined
}

export type BreakerState = 'closed' | 'open' | 'half_open'

export interface Pass {
  readonly isProbe: boolean
  /** To be called once. Tells what the breaker did about it. */
  end(verdict: Verdict): 'opened' | 'closed' | 'nothing'
}

/** `none`: it says nothing about the region, as when it was never sent. */
export type Verdict = 'success' | 'failure' | 'none'

export interface BreakerParts {
  /** Monotonic milliseconds. */
  readonly now: () => number
  /**
   * Whether something in a mailbox would be the probe. If so, nothing else may be for one more `openMs`: what waits
   * already loses less by a region that is still broken than somebody who clicks. And no longer, since a mailbox that
   * does not come must not keep the region closed to everybody. Nor must one delivery that the region fails on however
   * well it is: when a mailbox was the probe in vain and others have been refused meanwhile, the next turn is theirs,
   * for as long.
   */
  readonly wantsProbe: () => boolean
}

export function createBreaker(limits: Region['breaker'], { now, wantsProbe }: BreakerParts): Breaker {
  let phase: Phase = createClosed(limits.windowMs)

  const open = (turn: Broken['turn']): 'opened' => {
    phase = { kind: 'broken', until: now() + limits.openMs, probing: false, turn, refusedOthers: false }
    return 'opened'
  }

  /** A phase is known by its identity: what a call says that began in an earlier one is no news. */
  const countedPass = (closed: Closed): Pass => ({
    isProbe: false,
    end(verdict) {
      if (phase !== closed || verdict === 'none') return 'nothing'
      const { calls, failures } = closed.count(now(), verdict)
      return calls >= limits.minimumCalls && failures / calls >= limits.failureRate ? open('mailbox') : 'nothing'
    },
  })

  const probePass = (broken: Broken, isMailbox: boolean): Pass => {
    broken.probing = true
    return {
      isProbe: true,
      end(verdict) {
        if (verdict === 'failure') return open(isMailbox && broken.refusedOthers ? 'others' : 'mailbox')
        if (verdict === 'none') {
          broken.probing = false
          return 'nothing'
        }
        phase = createClosed(limits.windowMs)
        return 'closed'
      },
    }
  }

  return {
    get state() {
      if (phase.kind === 'closed') return 'closed'
      return now() < phase.until ? 'open' : 'half_open'
    },
    admit(priority) {
      if (phase.kind === 'closed') return countedPass(phase)
      const isMailbox = priority === 'mailbox'
      const overdueMs = now() - phase.until
      const isTurnOf = phase.turn === 'others' ? !isMailbox : isMailbox || !wantsProbe()
      if (overdueMs < 0 || phase.probing || (overdueMs < limits.openMs && !isTurnOf)) {
        phase.refusedOthers ||= !isMailbox
        return undefined
      }
      return probePass(phase, isMailbox)
    },
  }
}

type Phase = Closed | Broken

interface Closed {
  readonly kind: 'closed'
  /** Counts a call that ended at `at`; returns the sums over the window that ends there. */
  readonly count: (at: number, verdict: Verdict) => { calls: number; failures: number }
}

interface Broken {
  readonly kind: 'broken'
  readonly until: number
  /** Who may be the probe first. */
  readonly turn: 'mailbox' | 'others'
  probing: boolean
  refusedOthers: boolean
}

/** The window moves on by a bucket at a time: what is counted is between nine and ten tenths of it. */
const BUCKETS = 10

function createClosed(windowMs: number): Closed {
  const buckets: { readonly tick: number; calls: number; failures: number }[] = []
  return {
    kind: 'closed',
    count(at, verdict) {
      const tick = Math.floor((at / windowMs) * BUCKETS)
      let newest = buckets.at(-1)
      if (newest === undefined || newest.tick !== tick) {
        newest = { tick, calls: 0, failures: 0 }
        buckets.push(newest)
      }
      while (buckets[0] !== undefined && buckets[0].tick <= tick - BUCKETS) buckets.shift()
      newest.calls += 1
      if (verdict === 'failure') newest.failures += 1
      const sums = { calls: 0, failures: 0 }
      for (const bucket of buckets) {
        sums.calls += bucket.calls
        sums.failures += bucket.failures
      }
      return sums
    },
  }
}
