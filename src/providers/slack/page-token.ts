import { compactVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { Id } from '../../directory/directory.ts'
import { Refusal } from '../../errors.ts'
import type { PageClaims } from '../../provider.ts'
import { readId } from '../../directory/id.ts'

/** A link is mailed about and kept in histories, so it may not live longer than this. */
const MAX_LIFETIME_SECONDS = 48 * 60 * 60

const id = z.union([z.int(), z.string()]).transform((value, context): Id => {
  const id = readId(String(value))
  if (id !== undefined) return id
  context.addIssue('is no 64-bit id')
  return z.NEVER
})

const claimsInToken = z.object({
  exp: z.number(),
  integration_id: id,
  organization_id: id.nullish(),
  slack_user_id: z.string().min(1).nullish(),
})

/**
 * A JWT (RFC 7519, HS256) for these claims. Throws a `RangeError` for what could never be verified: an organization id
 * that is none, a lifetime outside 1 second to 48 hours.
 */
export async function signPageToken(
  claims: PageClaims,
  options: { readonly secret: string; readonly expiresInSeconds: number; readonly clock: Clock },
): Promise<string> {
  const { expiresInSeconds } = options
  if (!Number.isInteger(expiresInSeconds) || expiresInSeconds < 1 || expiresInSeconds > MAX_LIFETIME_SECONDS) {
    throw new RangeError(`A page token lives 1 to ${MAX_LIFETIME_SECONDS} seconds, not ${expiresInSeconds}`)
  }
  if (claims.organizationId !== undefined && readId(claims.organizationId) === undefined) {
    throw new RangeError(`No organization can have the id ${claims.organizationId}`)
  }
  return await new SignJWT({
    integration_id: claims.integrationId,
    ...(claims.organizationId === undefined ? {} : { organization_id: claims.organizationId }),
    ...(claims.externalUserId === undefined ? {} : { slack_user_id: claims.externalUserId }),
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setExpirationTime(seconds(options.clock) + expiresInSeconds)
    .sign(Buffer.from(options.secret))
}

/**
 * The claims of a token that this secret signed and that has not expired. Throws `invalid_page_token` otherwise. Only
 * the signature and the claims the pages know are looked at; a token may carry others for its own ends.
 */
export async function verifyPageToken(
  token: string,
  { secret, clock }: { readonly secret: string; readonly clock: Clock },
): Promise<PageClaims> {
  const claims = claimsInToken.safeParse(await signedJson(token, secret))
  if (!claims.success) throw invalidToken()
  const { exp, integration_id, organization_id, slack_user_id } = claims.data
  const remaining = exp - seconds(clock)
  if (remaining <= 0 || remaining > MAX_LIFETIME_SECONDS) throw invalidToken()
  return {
    integrationId: integration_id,
    organizationId: organization_id ?? undefined,
    externalUserId: slack_user_id ?? undefined,
  }
}

export function invalidToken(): Refusal {
  return new Refusal('invalid_page_token', 'Please ask for a new link in Slack.', { close: true })
}

async function signedJson(token: string, secret: string): Promise<unknown> {
  try {
    // Named here, so that a token cannot choose its own algorithm.
    const { payload } = await compactVerify(token, Buffer.from(secret), { algorithms: ['HS256'] })
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch {
    throw invalidToken()
  }
}

function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}
