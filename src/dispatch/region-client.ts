import { Pool, type Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import type { Region } from '../regions/regions.ts'
import { failureReason } from './failure-reason.ts'
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

/** A connection attempt has at least this long, more than any provider's budget. */
const SHORTEST_CONNECT_MS = 10_000

/** The only way to a region: one connection pool and one set of slots per region, so none can take another's. */
export function createRegionClient(
  region: Region,
  { clock, maxReplyBytes }: { clock: Clock; maxReplyBytes: number },
): RegionClient {
  const slots = createSlots(region)
  const prefix = region.address.pathname === '/' ? '' : region.address.pathname
  const pool = new Pool(region.address.origin, {
    connections: region.maxConcurrency,
    // undici's own timers measure idleness, not the call; the deadline below is the only thing that ends one.
    headersTimeout: 0,
    bodyTimeout: 0,
    // A connection attempt outlives the webhook that asked for it and may serve the next one. It must not end before
    // any deadline does, or a short timeout_ms would set a time inside the provider's budget.
    connect: { timeout: Math.max(region.timeoutMs, SHORTEST_CONNECT_MS), ...region.tls },
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
        const startedMs = clock.monotonic() - call.startedAt
        let sentMs: number | undefined
        let firstByteMs: number | undefined
        let ended = false
        // Until a slot is ours there is a place in the queue to give up, from then on a call to abort.
        let letGo = (): void => {}

        const end = (result: Outcome): void => {
          if (ended) return
          ended = true
          stopTimer()
          const timing = {
            startedMs,
            ...(sentMs !== undefined && { sentMs }),
            ...(firstByteMs !== undefined && { firstByteMs }),
            endedMs: clock.monotonic() - call.startedAt,
          }
          resolve({ ...result, region: region.name, timing })
        }
        const stopTimer = clock.after(Math.max(0, call.deadline - clock.monotonic()), () => {
          end({ kind: 'timed_out' })
          letGo()
        })

        const send = (): void => {
          const msLeft = call.deadline - clock.monotonic()
          if (msLeft <= 0) {
            // Our turn came together with the deadline: nobody would wait for what a region now begins to do.
            slots.release()
            end({ kind: 'timed_out' })
            return
          }
          sentMs = clock.monotonic() - call.startedAt
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
          const collector = collectReply(maxReplyBytes, {
            firstByte: () => (firstByteMs = clock.monotonic() - call.startedAt),
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
        else if (sentMs === undefined) letGo = turn
      }),
  }
}

type Outcome =
  | { kind: 'answered'; reply: RegionReply }
  | { kind: 'failed'; reason: FailedReason; cause?: unknown }
  | { kind: 'timed_out' }
  | { kind: 'refused'; reason: 'queue_full' }

interface Collector extends Dispatcher.DispatchHandler {
  /** Ends the call, even one that still waits for its connection: then it is never sent. */
  readonly abort: () => void
}

/** Collects one reply, whole and up to `maxBytes`. `done` is called exactly once, when the connection is free again. */
function collectReply(maxBytes: number, on: { firstByte: () => void; done: (result: Outcome) => void }): Collector {
  let controller: Dispatcher.DispatchController | undefined
  let givenUp: Outcome | undefined
  let done = false
  let status = 0
  let rawHeaders: readonly string[] = []
  let chunks: Buffer[] = []
  let size = 0

  const finish = (result: Outcome): void => {
    if (done) return
    done = true
    chunks = []
    on.done(result)
  }
  const giveUp = (result: Outcome): void => {
    givenUp ??= result
    if (controller !== undefined) controller.abort(new Error('The call was given up'))
    // Not yet on a connection: nobody will tell us when it ends, and it must not be sent when one comes.
    else finish(result)
  }

  return {
    abort: () => giveUp({ kind: 'timed_out' }),
    onRequestStart(started) {
      controller = started
      if (givenUp !== undefined) started.abort(new Error('The call was given up before it was sent'))
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
      if (size > maxBytes) giveUp({ kind: 'failed', reason: 'response_too_large' })
      else chunks.push(chunk)
    },
    onResponseEnd() {
      if (givenUp !== undefined) finish(givenUp)
      else if (status >= 500) finish({ kind: 'failed', reason: `http_${status}` })
      else finish({ kind: 'answered', reply: { status, rawHeaders, body: Buffer.concat(chunks, size) } })
    },
    onResponseError(_, error) {
      finish(givenUp ?? { kind: 'failed', reason: failureReason(error), cause: error })
    },
  }
}

/** Header bytes are Latin-1 on the wire (RFC 9110 section 5.5), so that is what keeps every one of them. */
function textHeaders(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}
