import { envelopeHeaders, type Envelope } from '../../../src/wire/envelope.ts'
import { contentDigest, signForwarded, type SigningKey } from '../../../src/wire/signature.ts'

export const key: SigningKey = { id: 'eu-2026', secret: Buffer.from('a secret of the region in Europe') }

export const keys = { [key.id]: Buffer.from(key.secret).toString('base64') }

/** Unix milliseconds; on a whole second, so that seconds can be counted from it. */
export const sentAt = 1_800_000_000_000

export const envelope: Envelope = {
  delivery: '01JABCDEFGHJKMNPQRSTVWXYZ0',
  region: 'eu',
  integration: '1',
  organizations: ['10', '11'],
  epochs: [
    ['10', 0],
    ['11', 2],
  ],
  attempt: 1,
  deadlineMs: 2400,
  receivedAt: sentAt - 100,
}

export interface Forwarded {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: Buffer
}

/** A request as the gateway would send it; what is given replaces the usual. */
export function forwarded(
  given: {
    method?: string
    url?: string
    body?: Buffer
    envelope?: Partial<Envelope>
    key?: SigningKey
    created?: number
    expires?: number
    nonce?: string
    siloHeaders?: string[]
    digest?: string
  } = {},
): Forwarded {
  const method = given.method ?? 'POST'
  const url = given.url ?? '/eu/extensions/slack/event/?a=1&b=%20'
  const body = given.body ?? Buffer.from('{"type":"event_callback"}')
  const siloHeaders = given.siloHeaders ?? envelopeHeaders({ ...envelope, ...given.envelope })
  const created = given.created ?? sentAt / 1000
  const signature = signForwarded(
    { method, target: url, siloHeaders, digest: given.digest ?? contentDigest(body) },
    given.key ?? key,
    { created, expires: given.expires ?? created + 1000, nonce: given.nonce ?? 'nonce-1' },
  )
  return { method, url, headers: byName([...siloHeaders, ...signature]), body }
}

/** A flat name, value list as an object with lower-case names. */
export function byName(list: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < list.length; i += 2) headers[list[i]!.toLowerCase()] = list[i + 1]!
  return headers
}
