import { batch, signal } from '@preact/signals'
import { askSession, session } from './session.ts'
import type { DeliveriesTold, DeliveryListing, Now } from './shapes.ts'

/** `bye`: the gateway drains and has said so; another may soon answer at its address. */
export type StreamState = 'connecting' | 'live' | 'lost' | 'bye'

export const streamState = signal<StreamState>('connecting')

/** The last that was told; undefined until then. */
export const now = signal<Now | undefined>(undefined)

/** Each second of the last five minutes that was told, the oldest first. */
export const history = signal<readonly Now[]>([])

/** The last deliveries as they came, the newest first. */
export const recent = signal<readonly DeliveryListing[]>([])

/** Those of them that failed. */
export const recentFailures = signal<readonly DeliveryListing[]>([])

/** How many were not told one by one, since there were too many. */
export const leftOut = signal(0)

export const HISTORY_SECONDS = 300
const RECENT = 200
const RECENT_FAILURES = 20
const AGAIN_MS = 3000

/**
 * Listens while the page is seen, until what it returns is called. A browser has six connections to a host for all of its
 * tabs: with a stream in each of six, the seventh would never load.
 */
export function followStream(): () => void {
  let source: EventSource | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let isOver = false

  function open(): void {
    source = new EventSource('/api/stream')
    // What is told at once is how things stand: its second may not have been one.
    let isFirst = true
    source.addEventListener('now', ({ data }) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from the gateway that this page came with
      took(JSON.parse(String(data)) as Now, isFirst)
      isFirst = false
    })
    source.addEventListener('deliveries', ({ data }) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same
      came(JSON.parse(String(data)) as DeliveriesTold)
    })
    source.addEventListener('bye', () => {
      streamState.value = 'bye'
      source?.close()
      tryAgain()
    })
    source.addEventListener('error', () => {
      streamState.value = 'lost'
      // Where it was refused the browser leaves it at that, and a session may be over.
      if (source?.readyState === EventSource.CLOSED) tryAgain()
    })
  }

  function tryAgain(): void {
    clearTimeout(again)
    again = setTimeout(() => void openAgain(), AGAIN_MS)
  }

  /** Not where nobody is signed in any more, nor where nobody is interested. */
  async function openAgain(): Promise<void> {
    await askSession()
    if (!isOver && !document.hidden && session.value?.authenticated === true) open()
  }

  function onVisibility(): void {
    clearTimeout(again)
    source?.close()
    if (!document.hidden) void openAgain()
  }

  streamState.value = 'connecting'
  document.addEventListener('visibilitychange', onVisibility)
  if (!document.hidden) open()
  return () => {
    isOver = true
    document.removeEventListener('visibilitychange', onVisibility)
    clearTimeout(again)
    source?.close()
  }
}

function took(told: Now, isFirst: boolean): void {
  const since = Date.parse(told.at) - HISTORY_SECONDS * 1000
  batch(() => {
    streamState.value = told.draining ? 'bye' : 'live'
    now.value = told
    if (isFirst) return
    history.value = [...history.value.filter(({ at }) => Date.parse(at) > since && at < told.at), told]
  })
}

function came({ items, left_out }: DeliveriesTold): void {
  // One whose last region comes to its end later is told again.
  const again = new Set(items.map(({ id }) => id))
  const older = (list: readonly DeliveryListing[]) => list.filter(({ id }) => !again.has(id))
  const newest = items.toSorted((a, b) => (a.id < b.id ? 1 : -1))
  batch(() => {
    leftOut.value += left_out
    recent.value = [...newest, ...older(recent.value)].slice(0, RECENT)
    const failed = newest.filter((one) => one.failed)
    if (failed.length > 0) {
      recentFailures.value = [...failed, ...older(recentFailures.value)].slice(0, RECENT_FAILURES)
    }
  })
}
