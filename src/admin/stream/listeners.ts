import type { ServerResponse } from 'node:http'

/** Some seconds of a busy gateway. Who has not read that much is gone, or cannot follow. */
const MOST_UNREAD_BYTES = 256 * 1024
/** Browsers of a whole team, each with a few windows. Beyond, the one that has listened for longest has to ask again. */
const MOST_LISTENERS = 64

/** Those who listen, each over a connection of its own that is held open. */
export interface Listeners {
  /** `isAdmitted`: whether whoever it is would still be let in. */
  add(res: ServerResponse, isAdmitted: () => boolean): void
  /** To each the same bytes; who is too far behind to take them is dropped. */
  send(frame: string): void
  /** Ends those who would not be let in any more. */
  review(): void
  /** Ends all, with a last word. */
  end(frame: string): void
}

/** `onEmpty`: the last one has gone. */
export function createListeners(onEmpty: () => void): Listeners {
  const listeners = new Map<ServerResponse, () => boolean>()

  /** From now on nothing is written to it: whoever ends it does so after this. */
  function forget(res: ServerResponse): void {
    if (listeners.delete(res) && listeners.size === 0) onEmpty()
  }

  function drop(res: ServerResponse): void {
    forget(res)
    res.destroy()
  }

  /** Whoever has not read what was before would stay until it has: forever, perhaps, and a drain with it. */
  function finish(res: ServerResponse, lastWord = ''): void {
    const isBehind = res.writableLength > 0
    forget(res)
    if (isBehind) res.destroy()
    else res.end(lastWord)
  }

  return {
    add(res, isAdmitted) {
      const [oldest] = listeners.keys()
      if (listeners.size >= MOST_LISTENERS && oldest !== undefined) drop(oldest)
      listeners.set(res, isAdmitted)
      // Nothing is to be done about a connection that breaks.
      res.on('error', () => {})
      res.on('close', () => forget(res))
    },
    send(frame) {
      for (const res of listeners.keys()) {
        if (res.writableLength > MOST_UNREAD_BYTES) drop(res)
        else res.write(frame)
      }
    },
    review() {
      for (const [res, isAdmitted] of listeners) if (!isAdmitted()) finish(res)
    },
    end(frame) {
      for (const res of listeners.keys()) finish(res, frame)
    },
  }
}
