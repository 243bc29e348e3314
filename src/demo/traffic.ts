import type { Clock } from '../clock.ts'
import { retryOf, type Hearing, type Sending } from './slack-simulator.ts'

/** A pace that can be read, and a whole round every two seconds. */
const PACE_MS = 250
/** How often a flood catches up with what is due: no timer comes 200 times a second. */
const FLOOD_STEP_MS = 10

export interface Flood {
  readonly seconds: number
  readonly perSecond: number
}

export interface TrafficParts {
  readonly clock: Clock
  /** What Slack has to send, at its pace. */
  readonly sendings: Iterator<Sending, never>
  /** What it has to send in a flood, of which nobody is told one by one. */
  readonly floodSendings: Iterator<Sending, never>
  readonly send: (sending: Sending, options: { quietly: boolean }) => Promise<Hearing>
  /** A flood is over, or has given way to the next. */
  readonly onFlooded: (heard: readonly Hearing[]) => void
}

/** What Slack sends of itself, from now on, and on top of it what it is made to. */
export interface Traffic {
  /** Webhooks a second. */
  readonly pace: number
  readonly flooding: boolean
  /** Besides all else, now. */
  sendNow(sending: Sending): void
  flood(flood: Flood): void
  /** Sends the last event again, so many times at once. False: there was none yet. */
  sendAgain(copies: number): boolean
  stop(): void
}

export function startTraffic({ clock, sendings, floodSendings, send, onFlooded }: TrafficParts): Traffic {
  let lastEvent: Sending | undefined
  let flood: { readonly perSecond: number; readonly end: () => void } | undefined
  let cancelNext = (): void => undefined
  const next = (): void => {
    cancelNext = clock.after(PACE_MS, next)
    sendNow(sendings.next().value)
  }
  const sendNow = (sending: Sending): void => {
    if (sending.kind === 'event') lastEvent = sending
    void send(sending, { quietly: false })
  }
  next()

  return {
    get pace() {
      return 1000 / PACE_MS + (flood?.perSecond ?? 0)
    },
    get flooding() {
      return flood !== undefined
    },
    sendNow,
    flood({ seconds, perSecond }) {
      flood?.end()
      const startedAt = clock.monotonic()
      const heard: Promise<Hearing>[] = []
      let cancelStep = (): void => undefined
      const end = (): void => {
        cancelStep()
        flood = undefined
        void Promise.all(heard).then(onFlooded)
      }
      const step = (): void => {
        const elapsed = (clock.monotonic() - startedAt) / 1000
        const due = Math.ceil(Math.min(elapsed, seconds) * perSecond)
        while (heard.length < due) heard.push(send(floodSendings.next().value, { quietly: true }))
        if (elapsed >= seconds) end()
        else cancelStep = clock.after(FLOOD_STEP_MS, step)
      }
      flood = { perSecond, end }
      step()
    },
    sendAgain(copies) {
      if (lastEvent === undefined) return false
      for (let copy = 0; copy < copies; copy++) void send(retryOf(lastEvent), { quietly: false })
      return true
    },
    stop() {
      cancelNext()
      flood?.end()
    },
  }
}
