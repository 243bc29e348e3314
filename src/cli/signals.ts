import type { Process } from './process.ts'

/** What the process has been told, from the moment it could be told anything: a signal that comes early is kept. */
export interface Signals {
  readonly toldToStop: Promise<void>
  /** Calls `then` each time the configuration is to be read again, and at once if that was wished for before. */
  readonly onReload: (then: () => void) => void
}

/** To be called before anything is loaded or opened: without a listener SIGHUP would end the process. */
export function listenForSignals({ onInterrupt, onHangup }: Pick<Process, 'onInterrupt' | 'onHangup'>): Signals {
  const stop = Promise.withResolvers<void>()
  onInterrupt(stop.resolve)
  let early = false
  let reload = (): void => {
    early = true
  }
  onHangup(() => reload())
  return {
    toldToStop: stop.promise,
    onReload(then) {
      reload = then
      if (early) then()
    },
  }
}
