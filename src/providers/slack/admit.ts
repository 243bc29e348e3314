import type { Admission, PageClaims, RequestHead } from '../../provider.ts'
import type { PageDoor, WebhookDoor } from './doors.ts'
import { verifyPageToken } from './page-token.ts'
import { readSignature, refuseStale, type Signature } from './verify.ts'

/** A webhook whose signature, where it has one, is well-formed and of now; whose it is, only the body can show. */
export interface WebhookAdmission extends Admission {
  readonly kind: 'webhook'
  readonly door: WebhookDoor
  readonly signature: Signature | undefined
}

/** A page whose link is ours and has not expired. */
export interface PageAdmission extends Admission {
  readonly kind: 'page'
  readonly door: PageDoor
  readonly claims: PageClaims
}

export type SlackAdmission = WebhookAdmission | PageAdmission

/** Judges a webhook's head. Throws `invalid_signature` for a signature that is malformed or not of now. */
export function admitWebhook(
  door: WebhookDoor,
  { headers }: RequestHead,
  parts: Parameters<typeof refuseStale>[1],
): WebhookAdmission {
  const signature = readSignature(headers)
  if (signature !== undefined) refuseStale(signature, parts)
  return { kind: 'webhook', door, signature, signed: signature !== undefined }
}

/** Judges a page's link. Throws `invalid_page_token`. */
export async function admitPage(door: PageDoor, parts: Parameters<typeof verifyPageToken>[1]): Promise<PageAdmission> {
  const claims = await verifyPageToken(door.token, parts)
  // The form of an identity page is small, and anybody who holds a link may post it.
  return { kind: 'page', door, claims, signed: door.kind === 'region_page' }
}
