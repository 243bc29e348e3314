import { z } from 'zod'
import type { Forwardable } from '../dispatch/forward.ts'
import { framed, unframed } from '../spool/framed.ts'
import { contentDigest } from '../wire/signature.ts'

/** What is kept of a webhook so that it can be sent when nothing else of it is left. */
export interface Kept {
  readonly what: Forwardable
  /** Whose secret verified it: what is sent again is signed again. */
  readonly signedBy: string
}

const written = z.object({
  delivery: z.string(),
  method: z.string(),
  target: z.string(),
  headers: z.array(z.string()),
  receivedAt: z.number(),
  cookies: z.boolean(),
  signedBy: z.string(),
})

export function pack({ what, signedBy }: Kept): Buffer {
  const { delivery, method, target, headers, receivedAt, cookies, body } = what
  const fields = { delivery, method, target, headers: [...headers], receivedAt, cookies, signedBy }
  return framed(fields satisfies z.input<typeof written>, body)
}

/** @throws where the bytes are not what `pack` makes. */
export function unpack(packed: Buffer): Kept {
  const { description, bytes: body } = unframed(packed)
  const { signedBy, ...fields } = written.parse(description)
  return { what: { ...fields, body, digest: contentDigest(body) }, signedBy }
}
