import type { ServerResponse } from 'node:http'
import type { Clock } from '../../clock.ts'
import type { Onlookers } from '../../telemetry/onlookers.ts'
import { createListeners } from './listeners.ts'
import { keepNewest } from './newest.ts'
import { countSeconds } from './second.ts'

const SECOND_MS = 1000
/** Faster than anybody reads, and seldom enough for a page to be drawn anew each time. */
const BATCH_MS = 250
/** Within the half minute or minute after which proxies give up on a connection that nothing is sent on. */
const COMMENT_MS = 15_000
/** After how long a browser asks again: a gateway that ends is to have ended. */
const RETRY_MS = 2000

export interface LiveStreamParts {
  readonly clock: Clock
  readonly onlookers: Pick<Onlookers, 'add'>
  /** How things stand, besides what is counted here. Never rejects. */
  readonly standing: () => Promise<object>
  /** Aborted when the gateway begins to drain. */
  readonly stopping: AbortSignal
}

export interface LiveStream {
  /** Writes what happens to somebody who listens, until they go, are not let in any more, or the gateway drains. */
  join(res: ServerResponse, isAdmitted: () => boolean): void
}

/** What happens in the gateway, for whoever watches: worked out once for all of them, and not at all for nobody. */
export function createLiveStream(parts: LiveStreamParts): LiveStream {
  const { stopping } = parts
  let watching: ReturnType<typeof watch> | undefined
  const listeners = createListeners(() => {
    watching?.stop()
    watching = undefined
  })
  stopping.addEventListener('abort', () => listeners.end(frame('bye', {})))
  return {
    join(res, isAdmitted) {
      res.write(`retry: ${RETRY_MS}\n\n`)
      if (stopping.aborted) {
        res.end(frame('bye', {}))
        return
      }
      listeners.add(res, isAdmitted)
      if (watching === undefined) watching = watch(parts, listeners)
      else if (watching.now() !== undefined) res.write(watching.now())
    },
  }
}

/** From the first listener to the last. */
function watch(
  { clock, onlookers, standing }: LiveStreamParts,
  listeners: { send(text: string): void; review(): void },
) {
  const seconds = countSeconds()
  const newest = keepNewest()
  let now: string | undefined
  let stopped = false
  let cancelSecond = (): void => {}
  let cancelBatch: (() => void) | undefined

  const lookAway = onlookers.add((happened) => {
    seconds.count(happened)
    newest.add(happened)
    cancelBatch ??= clock.after(BATCH_MS, () => {
      cancelBatch = undefined
      listeners.send(frame('deliveries', newest.take()))
    })
  })

  async function tell(): Promise<void> {
    const begun = clock.monotonic()
    const second = seconds.take()
    const at = new Date(clock.now()).toISOString()
    now = frame('now', { at, second, ...(await standing()) })
    if (stopped) return
    listeners.send(now)
    cancelSecond = clock.after(Math.max(0, begun + SECOND_MS - clock.monotonic()), () => void tell())
  }

  function keepOpen(): void {
    cancelComment = clock.after(COMMENT_MS, keepOpen)
    listeners.review()
    listeners.send(':\n\n')
  }
  let cancelComment = clock.after(COMMENT_MS, keepOpen)
  void tell()

  return {
    /** What was told last. */
    now: () => now,
    stop() {
      stopped = true
      lookAway()
      cancelSecond()
      cancelBatch?.()
      cancelComment()
    },
  }
}

function frame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
