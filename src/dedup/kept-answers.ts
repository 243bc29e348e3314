import type { Clock } from '../clock.ts'
import type { Reply } from '../provider.ts'
import { createRecentKeys } from './recent-keys.ts'

/** A larger body is not kept: who asks again is told the status. */
const LARGEST_BODY_BYTES = 65_536
const ALL_BYTES = 64 * 1024 * 1024
/** What a reply takes besides its body and the letters of its headers. */
const OVERHEAD_BYTES = 512

/** What of a reply is kept: its status alone, where its body is too large. */
export function keepable(reply: Reply): Reply {
  if (reply.body.length <= LARGEST_BODY_BYTES) return reply
  return { status: reply.status, rawHeaders: [], body: Buffer.alloc(0) }
}

/** Replies given lately, by key. */
export interface KeptAnswers {
  add(key: string, reply: Reply): void
  /** The reply; where its body could not be kept, its status alone. */
  get(key: string): Reply | undefined
}

/** At most `max` replies for `lifeMs`, and of them as many of the newest with headers and body as fit in 64 MiB. */
export function createKeptAnswers(options: { max: number; lifeMs: number; clock: Clock }): KeptAnswers {
  const statuses = createRecentKeys(options)
  const whole = new Map<string, { reply: Reply; bytes: number }>()
  let bytesKept = 0

  const drop = (key: string): void => {
    bytesKept -= whole.get(key)?.bytes ?? 0
    whole.delete(key)
  }
  const makeRoom = (bytes: number): void => {
    for (const key of whole.keys()) {
      if (bytesKept + bytes <= ALL_BYTES) return
      drop(key)
    }
  }

  return {
    add(key, reply) {
      statuses.add(key, reply.status)
      drop(key)
      if (reply.body.length > LARGEST_BODY_BYTES) return
      const bytes = OVERHEAD_BYTES + reply.body.length + reply.rawHeaders.join('').length
      makeRoom(bytes)
      // A copy: a small body is often a slice of a far larger buffer, which it would keep alive.
      const body = Buffer.alloc(reply.body.length)
      reply.body.copy(body)
      whole.set(key, { reply: { ...reply, body }, bytes })
      bytesKept += bytes
    },
    get(key) {
      const status = statuses.get(key)
      if (status === undefined) return undefined
      return whole.get(key)?.reply ?? { status, rawHeaders: [], body: Buffer.alloc(0) }
    },
  }
}
