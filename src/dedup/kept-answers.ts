import type { Clock } from '../clock.ts'
import type { Reply } from '../provider.ts'
import { createRecentKeys, type Fingerprint } from './recent-keys.ts'
import { reserve } from './reserve.ts'

/** A larger body is not kept: who asks again is told the status. */
const LARGEST_BODY_BYTES = 65_536
const ALL_BYTES = 64 * 1024 * 1024
/** The ring is made piece by piece, as it fills for the first time or is reserved. */
const PIECE_BYTES = 4 * 1024 * 1024
/** In front of each answer: the lengths of its headers and of its body. */
const LENGTHS_BYTES = 8

/** What of a reply is kept: its status alone, where its body is too large. */
export function keepable(reply: Reply): Reply {
  return reply.body.length <= LARGEST_BODY_BYTES ? reply : statusAlone(reply.status)
}

/** Replies given lately, by key. */
export interface KeptAnswers {
  add(key: Fingerprint, reply: Reply): void
  /** The reply; where its body could not be kept, its status alone. */
  get(key: Fingerprint): Reply | undefined
  /** Takes what all of them need, step by step. */
  reserve(): Generator<void>
}

/**
 * At most `max` replies for `lifeMs`, and of them as many of the newest with headers and body as fit in 64 MiB. They lie
 * in a ring of bytes: as objects, each would be carried through every collection of the garbage for all its life.
 */
export function createKeptAnswers(options: { max: number; lifeMs: number; clock: Clock }): KeptAnswers {
  const keys = createRecentKeys(options)
  const ring: Buffer[] = []
  /** Of all that was ever written; where something lies in the ring is the rest of a division by its size. */
  let end = 0

  const pieceAt = (place: number): Buffer => {
    const number = Math.floor((place % ALL_BYTES) / PIECE_BYTES)
    return (ring[number] ??= Buffer.allocUnsafeSlow(PIECE_BYTES))
  }

  return {
    add(key, { status, rawHeaders, body }) {
      if (body.length > LARGEST_BODY_BYTES) return keys.add(key, status, NOWHERE)
      const headers = rawHeaders.join('\n')
      const bytes = LENGTHS_BYTES + headers.length + body.length
      // None lies across the end of a piece.
      if ((end % PIECE_BYTES) + bytes > PIECE_BYTES) end += PIECE_BYTES - (end % PIECE_BYTES)
      const piece = pieceAt(end)
      const at = end % PIECE_BYTES
      piece.writeUInt32LE(headers.length, at)
      piece.writeUInt32LE(body.length, at + 4)
      piece.write(headers, at + LENGTHS_BYTES, 'latin1')
      body.copy(piece, at + LENGTHS_BYTES + headers.length)
      keys.add(key, status, end)
      end += bytes
    },
    *reserve() {
      yield* keys.reserve()
      for (let place = 0; place < ALL_BYTES; place += PIECE_BYTES) yield* reserve(pieceAt(place))
    },
    get(key) {
      const known = keys.get(key)
      if (known === undefined) return undefined
      const { status, place } = known
      if (end - place > ALL_BYTES) return statusAlone(status)
      const piece = pieceAt(place)
      const lengthsAt = place % PIECE_BYTES
      const headersAt = lengthsAt + LENGTHS_BYTES
      const bodyAt = headersAt + piece.readUInt32LE(lengthsAt)
      const headers = piece.toString('latin1', headersAt, bodyAt)
      // A copy: by the time it is sent, others may have taken its place.
      const body = Buffer.from(piece.subarray(bodyAt, bodyAt + piece.readUInt32LE(lengthsAt + 4)))
      return { status, rawHeaders: headers === '' ? [] : headers.split('\n'), body }
    },
  }
}

/** Before everything that was ever written. */
const NOWHERE = -Infinity

function statusAlone(status: number): Reply {
  return { status, rawHeaders: [], body: Buffer.alloc(0) }
}
