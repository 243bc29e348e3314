import type { Kept } from '../../../src/delivery/kept.ts'
import { contentDigest } from '../../../src/wire/signature.ts'

const body = Buffer.from('{}')

/** A webhook as it is kept, with nothing about it. */
export const keptWebhook: Kept = {
  what: {
    delivery: 'd1',
    method: 'POST',
    target: '/',
    headers: [],
    receivedAt: 0,
    cookies: false,
    body,
    digest: contentDigest(body),
  },
  signedBy: '',
}
