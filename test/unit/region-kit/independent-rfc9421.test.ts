import { httpbis, createSigner, createVerifier } from 'http-message-signatures'
import { describe, expect, it } from 'vitest'
import { verifyForwarded } from '../../../src/region-kit/index.ts'
import { envelopeHeaders } from '../../../src/wire/envelope.ts'
import { contentDigest } from '../../../src/wire/signature.ts'
import { byName, envelope, forwarded, key, keys, type Forwarded } from './forwarded-request.ts'

const covered = [
  '@method',
  '@path',
  '@query',
  'content-digest',
  'silo-delivery',
  'silo-region',
  'silo-integration',
  'silo-organizations',
  'silo-epoch',
  'silo-attempt',
  'silo-deadline',
  'silo-received-at',
]

const secret = Buffer.from(key.secret)

function theyAccept(request: Forwarded, with_ = secret) {
  return httpbis.verifyMessage(
    {
      keyLookup: async ({ keyid }) =>
        keyid === key.id ? { id: key.id, algs: ['hmac-sha256'], verify: createVerifier(with_, 'hmac-sha256') } : null,
      requiredParams: ['created', 'expires', 'nonce', 'keyid', 'alg'],
      requiredFields: covered,
    },
    { method: request.method, url: `https://eu.internal${request.url}`, headers: request.headers },
  )
}

// The library takes the time from the system, so here it is the system's.
const created = Math.floor(Date.now() / 1000)

describe('an independent implementation of RFC 9421', () => {
  it.each(['/extensions/slack/event/', '/eu/slack/events?a=1&b=%20c', '/', '/a?'])(
    'accepts our signature over %s',
    async (url) => {
      expect(await theyAccept(forwarded({ url, created }))).toBe(true)
    },
  )

  it('accepts our quoting of a nonce', async () => {
    expect(await theyAccept(forwarded({ created, nonce: String.raw`a"b\c` }))).toBe(true)
  })

  it('does not accept our signature with another key or over another path', async () => {
    expect(await theyAccept(forwarded({ created }), Buffer.from('other'))).toBe(false)
    expect(await theyAccept({ ...forwarded({ created }), url: '/other' })).toBe(false)
  })

  it('makes signatures that we accept', async () => {
    const body = Buffer.from('payload=%7B%7D')
    const url = '/slack/events?x=1'
    const headers = { ...byName(envelopeHeaders(envelope)), 'content-digest': contentDigest(body) }
    const signed = await httpbis.signMessage(
      {
        key: createSigner(secret, 'hmac-sha256', key.id),
        name: 'silo',
        fields: covered,
        params: ['keyid', 'nonce', 'alg', 'created', 'expires'],
        paramValues: { created: new Date(created * 1000), expires: new Date((created + 300) * 1000), nonce: 'theirs' },
      },
      { method: 'POST', url: `https://eu.internal${url}`, headers },
    )
    const record = verifyForwarded(
      { method: 'POST', url, headers: signed.headers, body },
      { keys, region: 'eu', now: created * 1000 },
    )
    expect(record.delivery).toBe(envelope.delivery)
  })
})
