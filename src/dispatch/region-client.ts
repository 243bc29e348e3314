import { Pool, type Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import type { Region } from '../regions/regions.ts'
import { createBreaker, type BreakerState, type Pass, type Verdict } from './breaker.ts'
import { codeOf, failureReason } from './failure-reason.ts'
import { createLatencies, type Latency } from './latency.ts'
import type { FailedReason, RegionReply, RegionResult } from './region-result.ts'
import { createSlots, type Priority } from './slots.ts'

/** One call to a region: everything but the region's address. */
export interface RegionCall {
  readonly method: string
  /** Path and query; the address's own path prefix goes in front. */
  readonly target: string
  readonly body: Buffer
  readonly priority: Priority
  /** Both on the monotonic clock: when the webhook's first byte came, and when the call must have ended. */
  readonly startedAt: number
  readonly deadline: number
  /**
   * Asked once, at the deadline, of a call that was sent by then: whether its answer is still owed to somebody. Then it
   * may take the region's `timeout_ms`, counted from when it was made. Absent: it never is.
   */
  readonly goesOn?: (() => boolean) | undefined
  /** Asked right before it is sent, when there is a connection for it; absent: yes. */
  readonly maySend?: (() => boolean) | undefined
  /**
   * The headers, flat; asked for when the slot is ours, since one of them says how long the region has. `path` is
   * the target as sent, prefix included.
   */
  headers(path: string, msLeft: number): string[]
}

export interface RegionClient {
  readonly region: Region
  /**
   * Exactly one attempt, ended by the deadline if by nothing else, or by `timeout_ms` if it `goesOn`. Rejects only if
   * `headers` throws.
   */
  call(call: RegionCall): Promise<RegionResult>
  readonly inFlight: number
  readonly queued: number
  readonly breaker: { readonly state: BreakerState }
  /** From when a call had its slot until its answer was complete; undefined: it has not answered yet. */
  latency(): Latency | undefined
  /**
   * Closes the connections, those still being made too: nobody waits for them any more. To be called when every call
   * has ended; one that has not would be cut.
   */
  close(): Promise<void>
}

/** Who waits for a region that could not be reached. */
export interface RegionWatch {
  /** Whether it would send something, by priority `mailbox`, to find out whether the region is back. */
  wantsProbe(): boolean
  /** It may try now: called `open_ms` after the breaker opened, and again as often as that until it has closed. */
  probeDue(): void
  /** The region answers again: the breaker has closed, or a call ended well after one that did not get through. */
  recovered(from: 'outage' | 'hiccup'): void
}

export interface RegionClientParts {
  readonly clock: Clock
  readonly maxReplyBytes: number
  /** The longest that a webhook's deadline lies ahead. */
  readonly longestCallMs: number
  readonly watch?: RegionWatch
  /** Told how a call that had a slot ended, and how long after that. */
  readonly onAttempt?: (ms: number, outcome: CallOutcome) => void
}

/** The only way to a region: connections, slots and breaker are its own, so no region can take another's. */
export function createRegionClient(
  region: Region,
  { clock, maxReplyBytes, longestCallMs, watch, onAttempt }: RegionClientParts,
): RegionClient {
  const slots = createSlots(region)
  const breaker = createBreaker(region.breaker, {
    now: () => clock.monotonic(),
    wantsProbe: () => watch?.wantsProbe() ?? false,
  })
  const prefix = region.address.pathname === '/' ? '' : region.address.pathname
  const pool = new Pool(region.address.origin, {
    connections: region.maxConcurrency,
    // undici's own timers measure idleness, not the call; the deadline below is the only thing that ends one.
    headersTimeout: 0,
    bodyTimeout: 0,
    // A connection attempt holds its call's slot to its end. Shorter than the longest call, it would set a time inside a
    // budget; longer, a region that hung and came back would be reached that much later.
    connect: { timeout: Math.max(longestCallMs, region.timeoutMs), ...region.tls },
    allowH2: false,
  })
  const latencies = createLatencies()
  let unreachable = false
  let closing = false
  let stopProbes = (): void => {}

  function callProbes(inMs: number): void {
    if (closing || watch === undefined) return
    stopProbes = clock.after(inMs, () => {
      // A timer may run a fraction of a millisecond before its time, and whoever is called then would be refused.
      if (breaker.state === 'open') return callProbes(1)
      callProbes(region.breaker.openMs)
      watch.probeDue()
    })
  }

  function learn(pass: Pass, result: CallOutcome, hadSlot: boolean): void {
    const verdict = verdictOn(result, hadSlot)
    if (verdict === 'failure' && !(result.kind === 'failed' && result.reason.startsWith('http_'))) unreachable = true
    const change = pass.end(verdict)
    if (change !== 'nothing') stopProbes()
    if (change === 'opened') callProbes(region.breaker.openMs)
    if (verdict === 'success' && breaker.state === 'closed' && (unreachable || change === 'closed')) {
      unreachable = false
      watch?.recovered(change === 'closed' ? 'outage' : 'hiccup')
    }
  }

  return {
    region,
    breaker,
    latency: () => latencies.read(),
    get inFlight() {
      return slots.inFlight
    },
    get queued() {
      return slots.queued
    },
    close() {
      closing = true
      stopProbes()
      return pool.destroy()
    },
    call: (call) =>
      new Promise<RegionResult>((resolve, reject) => {
        const { priority } = call
        const elapsedMs = (): number => clock.monotonic() - call.startedAt
        const startedMs = elapsedMs()
        const reached: { slotMs?: number; sentMs?: number; firstByteMs?: number } = {}
        const tell = (result: CallOutcome): void =>
          resolve({
            ...result,
            region: region.name,
            breaker: state,
            timing: { startedMs, ...reached, endedMs: elapsedMs() },
          })

        const { state } = breaker
        const admitted = breaker.admit(priority)
        if (admitted === undefined) return tell(circuitOpen)
        let pass = admitted
        let ended = false
        // Until a slot is ours there is a place in the queue to give up, from then on a call to abort.
        let letGo = (): void => {}
        let stopTimer = (): void => {}

        const end = (result: CallOutcome): void => {
          if (ended) return
          ended = true
          stopTimer()
          tell(result)
          if (reached.slotMs !== undefined) {
            const tookMs = elapsedMs() - reached.slotMs
            if (result.kind === 'answered') latencies.took(tookMs)
            onAttempt?.(tookMs, result)
          }
          learn(pass, result, reached.slotMs !== undefined)
        }
        const giveUp = (): void => {
          end({ kind: 'timed_out', sent: reached.sentMs !== undefined })
          letGo()
        }
        const atDeadline = (): void => {
          const moreMs = call.startedAt + startedMs + region.timeoutMs - clock.monotonic()
          if (reached.sentMs === undefined || moreMs <= 0 || call.goesOn?.() !== true) return giveUp()
          stopTimer = clock.after(moreMs, giveUp)
        }

        const send = (): void => {
          const msLeft = call.deadline - clock.monotonic()
          if (msLeft <= 0) {
            // Our turn came together with the deadline: nobody would wait for what a region now begins to do.
            end({ kind: 'timed_out', sent: false })
            slots.release(priority)
            return
          }
          const stillAdmitted = pass.isProbe ? pass : breaker.admit(priority)
          if (stillAdmitted === undefined) {
            end(circuitOpen)
            slots.release(priority)
            return
          }
          pass = stillAdmitted
          reached.slotMs = elapsedMs()
          const path = prefix + call.target
          let headers: string[]
          try {
            headers = call.headers(path, Math.floor(msLeft))
          } catch (error) {
            ended = true
            stopTimer()
            reject(error)
            pass.end('none')
            slots.release(priority)
            return
          }
          // The slot is given back when undici is done with the call, not when we are: a call that still waits for its
          // connection stands in undici's queue, which nothing but our slots bounds.
          const collector = collectReply(maxReplyBytes, {
            maySend: call.maySend,
            sent: () => (reached.sentMs = elapsedMs()),
            firstByte: () => (reached.firstByteMs = elapsedMs()),
            done: (result) => {
              // First what it says of the region: the next in line asks the breaker.
              end(result)
              slots.release(priority)
            },
          })
          letGo = collector.abort
          pool.dispatch(
            { method: call.method, path, headers, body: call.body.length > 0 ? call.body : null },
            collector,
          )
        }

        stopTimer = clock.after(Math.max(0, call.deadline - clock.monotonic()), atDeadline)
        const leave = slots.take({ priority, onTurn: send, onSentAway: () => end(queueFull) })
        if (leave === 'queue_full') end(queueFull)
        else if (reached.slotMs === undefined) letGo = leave
      }),
  }
}

const circuitOpen = { kind: 'refused', reason: 'circuit_open' } as const
const queueFull = { kind: 'refused', reason: 'queue_full' } as const

/** How a call ended. */
export type CallOutcome =
  | { kind: 'answered'; reply: RegionReply }
  | { kind: 'failed'; reason: FailedReason; sent: boolean; cause?: string; rawHeaders?: readonly string[] }
  | { kind: 'timed_out'; sent: boolean }
  | { kind: 'refused'; reason: 'queue_full' | 'circuit_open' | 'lease_lapsed' }

/**
 * What a call says about its region. Nothing, if it never had a slot, if we could not write it down as a request, or if
 * the reply was too large for us: a region that sends one is neither broken nor known to be well.
 */
function verdictOn(result: CallOutcome, hadSlot: boolean): Verdict {
  if (result.kind === 'answered') return 'success'
  if (!hadSlot || result.kind === 'refused') return 'none'
  if (result.kind === 'timed_out') return 'failure'
  return result.reason === 'invalid_request' || result.reason === 'response_too_large' ? 'none' : 'failure'
}

interface Collector extends Dispatcher.DispatchHandler {
  /** Gives the call up: at once where it is on its way, or as soon as it gets a connection, and then nothing is sent. */
  readonly abort: () => void
}

/** Collects one reply, whole and up to `maxBytes`. `done` is called exactly once, when undici has let go of the call. */
function collectReply(
  maxBytes: number,
  on: {
    maySend: (() => boolean) | undefined
    sent: () => void
    firstByte: () => void
    done: (result: CallOutcome) => void
  },
): Collector {
  let controller: Dispatcher.DispatchController | undefined
  let givenUp: CallOutcome | undefined
  let sent = false
  let status = 0
  let rawHeaders: readonly string[] = []
  let chunks: Buffer[] = []
  let size = 0

  const giveUp = (result: CallOutcome): void => {
    givenUp ??= result
    chunks = []
    controller?.abort(new Error('The call was given up'))
  }

  return {
    abort: () => giveUp({ kind: 'timed_out', sent }),
    onRequestStart(started) {
      controller = started
      // To connect may have taken seconds, in which somebody else may have got the right to this attempt.
      if (givenUp === undefined && on.maySend?.() === false) givenUp = { kind: 'refused', reason: 'lease_lapsed' }
      if (givenUp !== undefined) {
        started.abort(new Error('The call was given up before it was sent'))
        return
      }
      sent = true
      on.sent()
    },
    onResponseStart(from, statusCode) {
      // 1xx come before the response proper; each overwrites the last.
      status = statusCode
      if (statusCode < 200) return
      on.firstByte()
      rawHeaders = textHeaders(from.rawHeaders)
    },
    onResponseData(_, chunk) {
      size += chunk.length
      if (size > maxBytes) giveUp({ kind: 'failed', reason: 'response_too_large', sent })
      else chunks.push(chunk)
    },
    onResponseEnd() {
      if (givenUp !== undefined) on.done(givenUp)
      else if (status >= 500) on.done({ kind: 'failed', reason: `http_${status}`, sent, rawHeaders })
      else on.done({ kind: 'answered', reply: { status, rawHeaders, body: wholeOf(chunks, size) } })
    },
    onResponseError(_, error) {
      on.done(givenUp ?? { kind: 'failed', reason: failureReason(error, { sent }), sent, cause: codeOf(error) })
    },
  }
}

function wholeOf(chunks: readonly Buffer[], size: number): Buffer {
  const [first, ...more] = chunks
  return first !== undefined && more.length === 0 ? first : Buffer.concat(chunks, size)
}

/** Header bytes are Latin-1 on the wire (RFC 9110 section 5.5), so that is what keeps every one of them. */
function textHeaders(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}
