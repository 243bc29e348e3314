import { Pool, type Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import type { Region } from '../regions/regions.ts'
import { codeOf, failureReason } from './failure-reason.ts'
import type { FailedReason, RegionReply, RegionResult } from './region-result.ts'
import { createSlots } from './slots.ts'

/** One call to a region: everything but the region's address. */
export interface RegionCall {
  readonly method: string
  /** Path and query; the address's own path prefix goes in front. */
  readonly target: string
  readonly body: Buffer
  /** Both on the monotonic clock: when the webhook's first byte came, and when the call must have ended. */
  readonly startedAt: number
  readonly deadline: number
  /**
   * The headers, flat; asked for when the slot is ours, since one of them says how long the region has. `path` is
   * the target as sent, prefix included.
   */
  headers(path: string, msLeft: number): string[]
}

export interface RegionClient {
  readonly region: Region
  /** Exactly one attempt, ended by the deadline if by nothing else. Rejects only if `headers` throws. */
  call(call: RegionCall): Promise<RegionResult>
  readonly inFlight: number
  readonly queued: number
  /**
   * Closes the connections, those still being made too: nobody waits for them any more. To be called when every call
   * has ended; one that has not would be cut.
   */
  close(): Promise<void>
}

/** The only way to a region: one connection pool and one set of slots per region, so none can take another's. */
export function createRegionClient(
  region: Region,
  { clock, maxReplyBytes, longestCallMs }: { clock: Clock; maxReplyBytes: number; longestCallMs: number },
): RegionClient {
  const slots = createSlots(region)
  const prefix = region.address.pathname === '/' ? '' : region.address.pathname
  const pool = new Pool(region.address.origin, {
    connections: region.maxConcurrency,
    // undici's own timers measure idleness, not the call; the deadline below is the only thing that ends one.
    headersTimeout: 0,
    bodyTimeout: 0,
    // A connection attempt holds its call's slot to its end. Shorter than the longest call, it would set a time inside a
    // budget; longer, a region that hung and came back would be reached that much later.
    connect: { timeout: longestCallMs, ...region.tls },
    allowH2: false,
  })

  return {
    region,
    get inFlight() {
      return slots.inFlight
    },
    get queued() {
      return slots.queued
    },
    close: () => pool.destroy(),
    call: (call) =>
      new Promise<RegionResult>((resolve, reject) => {
        const elapsedMs = (): number => clock.monotonic() - call.startedAt
        const startedMs = elapsedMs()
        const reached: { slotMs?: number; sentMs?: number; firstByteMs?: number } = {}
        let ended = false
        // Until a slot is ours there is a place in the queue to give up, from then on a call to abort.
        let letGo = (): void => {}

        const end = (result: CallOutcome): void => {
          if (ended) return
          ended = true
          stopTimer()
          resolve({ ...result, region: region.name, timing: { startedMs, ...reached, endedMs: elapsedMs() } })
        }
        const stopTimer = clock.after(Math.max(0, call.deadline - clock.monotonic()), () => {
          end({ kind: 'timed_out', sent: reached.sentMs !== undefined })
          letGo()
        })

        const send = (): void => {
          const msLeft = call.deadline - clock.monotonic()
          if (msLeft <= 0) {
            // Our turn came together with the deadline: nobody would wait for what a region now begins to do.
            slots.release()
            end({ kind: 'timed_out', sent: false })
            return
          }
          reached.slotMs = elapsedMs()
          const path = prefix + call.target
          let headers: string[]
          try {
            headers = call.headers(path, Math.floor(msLeft))
          } catch (error) {
            ended = true
            stopTimer()
            slots.release()
            reject(error)
            return
          }
          // The slot is given back when undici is done with the call, not when we are: a call that still waits for its
          // connection stands in undici's queue, which nothing but our slots bounds.
          const collector = collectReply(maxReplyBytes, {
            sent: () => (reached.sentMs = elapsedMs()),
            firstByte: () => (reached.firstByteMs = elapsedMs()),
            done: (result) => {
              slots.release()
              end(result)
            },
          })
          letGo = collector.abort
          pool.dispatch(
            { method: call.method, path, headers, body: call.body.length > 0 ? call.body : null },
            collector,
          )
        }

        const turn = slots.take(send)
        if (turn === 'queue_full') end({ kind: 'refused', reason: 'queue_full' })
        else if (reached.slotMs === undefined) letGo = turn
      }),
  }
}

type CallOutcome =
  | { kind: 'answered'; reply: RegionReply }
  | { kind: 'failed'; reason: FailedReason; sent: boolean; cause?: string }
  | { kind: 'timed_out'; sent: boolean }
  | { kind: 'refused'; reason: 'queue_full' }

interface Collector extends Dispatcher.DispatchHandler {
  /** Gives the call up: at once where it is on its way, or as soon as it gets a connection, and then nothing is sent. */
  readonly abort: () => void
}

/** Collects one reply, whole and up to `maxBytes`. `done` is called exactly once, when undici has let go of the call. */
function collectReply(
  maxBytes: number,
  on: { sent: () => void; firstByte: () => void; done: (result: CallOutcome) => void },
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
      else if (status >= 500) on.done({ kind: 'failed', reason: `http_${status}`, sent })
      else on.done({ kind: 'answered', reply: { status, rawHeaders, body: Buffer.concat(chunks, size) } })
    },
    onResponseError(_, error) {
      on.done(givenUp ?? { kind: 'failed', reason: failureReason(error, { sent }), sent, cause: codeOf(error) })
    },
  }
}

/** Header bytes are Latin-1 on the wire (RFC 9110 section 5.5), so that is what keeps every one of them. */
function textHeaders(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}
