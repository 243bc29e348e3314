import type { Clock } from '../clock.ts'

/** The timers of something that is stopped some day, together with all of them. */
export interface Timers {
  /** As the clock has it; once all is stopped, nothing. */
  after(ms: number, then: () => void): () => void
  stopped(): boolean
  stop(): void
}

export function createTimers(clock: Clock): Timers {
  const cancels = new Set<() => void>()
  let stopped = false
  return {
    after(ms, then) {
      if (stopped) return () => {}
      const cancelTimer = clock.after(ms, () => {
        cancels.delete(cancel)
        then()
      })
      const cancel = (): void => {
        cancels.delete(cancel)
        cancelTimer()
      }
      cancels.add(cancel)
      return cancel
    },
    stopped: () => stopped,
    stop() {
      stopped = true
      for (const cancel of cancels) cancel()
    },
  }
}
