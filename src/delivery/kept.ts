import { z } from 'zod'
import type { Forwardable } from '../dispatch/forward.ts'
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

/** One buffer: the length of the description, the description, and then the body's bytes as they came. */
export function pack({ what, signedBy }: Kept): Buffer {
  const { delivery, method, target, headers, receivedAt, cookies } = what
  const fields: z.input<typeof written> = {
    delivery,
    method,
    target,
    headers: [...headers],
    receivedAt,
    cookies,
    signedBy,
  }
  const description = Buffer.from(JSON.stringify(fields))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(description.length)
  return Buffer.concat([length, description, what.body])
}

/** @throws where the bytes are not what `pack` makes. */
export function unpack(bytes: Buffer): Kept {
  const end = 4 + bytes.readUInt32BE(0)
  if (end > bytes.length) throw new RangeError('What was kept of the webhook is cut short')
  const { signedBy, ...fields } = written.parse(JSON.parse(bytes.toString('utf8', 4, end)))
  const body = bytes.subarray(end)
  return { what: { ...fields, body, digest: contentDigest(body) }, signedBy }
}
