import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import { codeOf } from '../dispatch/failure-reason.ts'
import type { LateMessage } from '../provider.ts'
import { retryAfterMs } from './retry-after.ts'

/** What became of one post. A `reason` is a word of ours in lower case or an error's code: it never names the URL. */
export type PostResult =
  /** A 2xx: it was heard. */
  | { readonly kind: 'posted'; readonly status: number }
  /**
   * It was not heard: it was never sent, or answered 429 or 5xx. `retryAfterMs`: how long whoever answered wants to be
   * left alone.
   */
  | { readonly kind: 'again'; readonly reason: string; readonly retryAfterMs?: number }
  /** Sent and not answered: it may have been heard, so it is not said twice. */
  | { readonly kind: 'unknown'; readonly reason: string }
  /** Any other status, redirects among them. Undefined: it is no URL that can be posted to. */
  | { readonly kind: 'refused'; readonly status: number | undefined }

export interface AnswerPoster {
  /**
   * One attempt of at most 5 s, connecting included. Whether the URL may be posted to is for the caller to have asked.
   * Never rejects.
   */
  post(url: string, message: LateMessage): Promise<PostResult>
  /** Cuts what is under way; to be called when nothing is. */
  close(): Promise<void>
}

const TIMEOUT_MS = 5000
/** What is read of a reply so that its sender can finish; nobody looks at it. */
const MAX_REPLY_BYTES = 65_536
/** Late answers come in crowds, when a region is slow; what waits for a connection longer than 5 s is tried again. */
const MAX_CONNECTIONS = 128

/** The client for the addresses that a provider names for late answers. Redirects are never followed. */
export function createAnswerPoster({ clock }: { readonly clock: Clock }): AnswerPoster {
  const agent = new Agent({
    connections: MAX_CONNECTIONS,
    // No connection is used twice: on one that is kept, a post that meets its end is lost and cannot be told from one
    // that was heard.
    pipelining: 0,
    connect: { timeout: TIMEOUT_MS },
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
  })

  return {
    close: () => agent.destroy(),
    post: (text, { contentType, body }) =>
      new Promise<PostResult>((resolve) => {
        const url = URL.parse(text)
        if (url === null || !/^https?:$/.test(url.protocol)) {
          resolve({ kind: 'refused', status: undefined })
          return
        }
        let controller: Dispatcher.DispatchController | undefined
        let timedOut = false
        let sent = false
        let size = 0
        // Only the first result counts: what becomes of the rest of a reply changes nothing.
        const stopTimer = clock.after(TIMEOUT_MS, () => {
          timedOut = true
          resolve(sent ? { kind: 'unknown', reason: 'timeout' } : { kind: 'again', reason: 'connect_timeout' })
          controller?.abort(new Error('The post was given up'))
        })
        agent.dispatch(
          {
            origin: url.origin,
            path: url.pathname + url.search,
            method: 'POST',
            headers: { 'content-type': contentType },
            body,
          },
          {
            onRequestStart(started) {
              controller = started
              if (timedOut) started.abort(new Error('The post was given up before it was sent'))
              else sent = true
            },
            onResponseStart(_, status, headers) {
              // 1xx come before the response proper.
              if (status >= 200) resolve(judge(status, headers['retry-after'], clock.now()))
            },
            onResponseData(from, chunk) {
              size += chunk.length
              if (size > MAX_REPLY_BYTES) from.abort(new Error('The reply is longer than anybody wants to know'))
            },
            onResponseEnd: stopTimer,
            onResponseError(_, error) {
              stopTimer()
              resolve({ kind: sent ? 'unknown' : 'again', reason: codeOf(error) })
            },
          },
        )
      }),
  }
}

function judge(status: number, header: string | string[] | undefined, now: number): PostResult {
  if (status < 300) return { kind: 'posted', status }
  if (status < 500 && status !== 429) return { kind: 'refused', status }
  const [retryAfter = ''] = [header].flat()
  const waitMs = retryAfterMs(['retry-after', retryAfter], now)
  return { kind: 'again', reason: `http_${status}`, ...(waitMs !== undefined && { retryAfterMs: waitMs }) }
}
