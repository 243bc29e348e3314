import { createHmac } from 'node:crypto'

export const PAGE_SECRET = 'a page secret of more than thirty-two bytes'

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWT as somebody else's library would sign it (RFC 7519), with whatever claims and header. */
export function signToken(
  claims: Record<string, unknown>,
  { header = {}, secret = PAGE_SECRET, hash = 'sha256' }: { header?: object; secret?: string; hash?: string } = {},
): string {
  const signed = `${part({ alg: 'HS256', ...header })}.${part(claims)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}
