import type { ServerResponse } from 'node:http'

/** Some seconds of a busy gateway. Who has not read that much is gone, or cannot follow. */
const MOST_UNREAD_BYTES = 256 * 1024
/** Browsers of a whole team, each with a few windows. Beyond, the one that has listened for longest has to ask again. */
const MOST_LISTENERS = 64

/** Those who listen, each over a connection of its own that is held open. */
export interface Listeners {
  readonly size: number
  /** `isAdmitted`: whether whoever it is would still be let in. */
  add(res: ServerResponse, isAdmitted: () => boolean): void
  /** To each the same bytes; who is too far behind to take them is dropped. */
  send(frame: string): void
  /** Ends those who would not be let in any more. */
  review(): void
  /** Ends all, with a last word. Whoever has not even read what was before does not hold anything up. */
  end(frame: string): void
}

/** `onEmpty`: the last one has gone. */
export function createListeners(onEmpty: () => void): Listeners {
  const listeners = new Map<ServerResponse, () => boolean>()

  function send(frame: string): void {
    for (const res of listeners.keys()) {
      if (res.writableLength > MOST_UNREAD_BYTES) res.destroy()
      else res.write(frame)
    }
  }

  return {
    get size() {
      return listeners.size
    },
    add(res, isAdmitted) {
      const [oldest] = listeners.keys()
      if (listeners.size >= MOST_LISTENERS) oldest?.destroy()
      listeners.set(res, isAdmitted)
      res.on('close', () => {
        listeners.delete(res)
        if (listeners.size === 0) onEmpty()
      })
    },
    send,
    review() {
      for (const [res, isAdmitted] of listeners) if (!isAdmitted()) res.end()
    },
    end(frame) {
      for (const res of listeners.keys()) {
        if (res.writableLength > 0) res.destroy()
        else res.end(frame)
      }
    },
  }
}
