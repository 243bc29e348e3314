import { z } from 'zod'
import type { Reply } from '../provider.ts'
import { framed, unframed } from '../spool/framed.ts'
import type { Sealer } from '../spool/seal.ts'
import { keepable } from './kept-answers.ts'

const sealedBy = z.strictObject({ keyId: z.string().optional() })
const described = z.strictObject({ status: z.number().int(), rawHeaders: z.array(z.string()) })

/**
 * An answer as other instances are told of it: what is not too large to be kept, sealed like what waits for a region,
 * and for this request only.
 */
export function packAnswer(key: string, reply: Reply, sealer: Sealer): Buffer {
  const { status, rawHeaders, body } = keepable(reply)
  const plain = framed({ status, rawHeaders: [...rawHeaders] } satisfies z.input<typeof described>, body)
  const { keyId, bytes } = sealer.seal(plain, contextOf(key))
  return framed({ keyId } satisfies z.input<typeof sealedBy>, bytes)
}

/** Undefined: it was changed, is of another request, or was sealed with a key that is not known here. */
export function unpackAnswer(key: string, packed: Buffer, sealer: Sealer): Reply | undefined {
  try {
    const { description, bytes } = unframed(packed)
    const { keyId } = sealedBy.parse(description)
    const opened = sealer.open({ keyId, bytes }, contextOf(key))
    if (opened.kind !== 'opened') return undefined
    const inside = unframed(opened.plain)
    return { ...described.parse(inside.description), body: inside.bytes }
  } catch {
    return undefined
  }
}

/** No delivery is named like a request, so that neither opens as the other. */
function contextOf(key: string) {
  return { delivery: `dedup ${key}`, region: '' }
}
