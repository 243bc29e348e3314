import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ForwardedRequestError, verifyForwarded, type VerifyOptions } from '../../../src/region-kit/index.ts'
import { envelopeHeaders } from '../../../src/wire/envelope.ts'
import { envelope, forwarded, key, keys, sentAt, type Forwarded } from './forwarded-request.ts'

const options: VerifyOptions = { keys, region: 'eu', now: sentAt }

/** The code it is refused with; undefined: it is accepted. */
function refusal(request: Parameters<typeof verifyForwarded>[0], given: Partial<VerifyOptions> = {}) {
  try {
    verifyForwarded(request, { ...options, ...given })
    return undefined
  } catch (error) {
    if (error instanceof ForwardedRequestError) return error.code
    throw error
  }
}

function withHeaders(request: Forwarded, headers: Record<string, string | string[] | undefined>) {
  return { ...request, headers: { ...request.headers, ...headers } }
}

/** Replaces the text of Signature-Input, which the signature covers as well. */
function withInput(change: (input: string) => string): Forwarded {
  const request = forwarded()
  const input = change(request.headers['signature-input']!)
  expect(input).not.toBe(request.headers['signature-input'])
  return { ...request, headers: { ...request.headers, 'signature-input': input } }
}

describe('a request as the gateway sent it', () => {
  it('gives the record', () => {
    expect(verifyForwarded(forwarded(), options)).toEqual({
      delivery: '01JABCDEFGHJKMNPQRSTVWXYZ0',
      integration: '1',
      organizations: ['10', '11'],
      attempt: 1,
      deadline: 2400,
      receivedAt: sentAt - 100,
    })
  })

  it('gives * for organizations that are too many to name', () => {
    const organizations = Array.from({ length: 2000 }, (_, i) => String(10_000 + i))
    expect(verifyForwarded(forwarded({ envelope: { organizations } }), options).organizations).toBe('*')
  })

  it('is accepted with header names in any case', () => {
    const request = forwarded()
    const headers = Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k.toUpperCase(), v]))
    expect(refusal({ ...request, headers })).toBeUndefined()
  })

  it('is accepted with the distinct headers of node', () => {
    const request = forwarded()
    const headers = Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, [v]]))
    expect(refusal({ ...request, headers })).toBeUndefined()
  })

  it('is accepted as a Fetch request', () => {
    const request = forwarded()
    const fetched = new Request(new URL(request.url, 'https://eu.internal'), {
      method: 'POST',
      headers: request.headers,
    })
    expect(refusal({ method: fetched.method, url: fetched.url, headers: fetched.headers, body: request.body })).toBe(
      undefined,
    )
  })

  it.each([
    ['https://eu.internal/a?b=c#d', '/a?b=c'],
    ['https://eu.internal/a#d', '/a'],
    ['http://eu.internal?b', '/?b'],
    ['HTTP://eu.internal', '/'],
    ['/a?b=http://eu.internal/', '/a?b=http://eu.internal/'],
  ])('is accepted at %s when %s was sent', (url, sent) => {
    expect(refusal({ ...forwarded({ url: sent }), url })).toBeUndefined()
  })

  it('is accepted with the body as text', () => {
    const request = forwarded({ body: Buffer.from('{"text":"grüße"}') })
    expect(refusal({ ...request, body: '{"text":"grüße"}' })).toBeUndefined()
  })

  it('is accepted beside the labels of others', () => {
    const { headers, ...request } = forwarded()
    const input = `proxy=("@authority";req "date");created=1;x=?0;y=tok/en;z=-1.5, ${headers['signature-input']}`
    const signature = `proxy=:AAAA:, ${headers['signature']}`
    expect(refusal({ ...request, headers: { ...headers, 'signature-input': input, signature } })).toBeUndefined()
  })

  it('is accepted with every key of a list, as an object, as bytes and as REGION_SIGNING_KEYS', () => {
    const other = { old: Buffer.from('a secret that is old').toString('base64') }
    const text = Object.entries({ ...other, ...keys })
      .map(([id, secret]) => `${id}:${secret}`)
      .join(', ')
    expect(refusal(forwarded(), { keys: { ...other, ...keys } })).toBeUndefined()
    expect(refusal(forwarded(), { keys: { [key.id]: key.secret } })).toBeUndefined()
    expect(refusal(forwarded(), { keys: text })).toBeUndefined()
  })

  it('is accepted whatever its method, path, query, body and ids are', () => {
    const printable = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
      minLength: 1,
    })
    const id = fc.bigInt({ min: 1n, max: 2n ** 64n }).map(String)
    fc.assert(
      fc.property(
        fc.constantFrom('GET', 'POST', 'PUT', 'M-SEARCH', 'get'),
        printable,
        fc.option(printable),
        fc.uint8Array({ maxLength: 300 }),
        fc.array(id, { maxLength: 300 }),
        fc.record({ nonce: printable, id: fc.stringMatching(/^[\w.-]+$/) }),
        (method, path, query, body, organizations, names) => {
          const request = forwarded({
            method,
            url: `/${path}${query === null ? '' : `?${query}`}`,
            body: Buffer.from(body),
            envelope: { organizations, epochs: organizations.map((organization) => [organization, 7] as const) },
            key: { ...key, id: names.id },
            nonce: names.nonce,
          })
          const record = verifyForwarded(request, { ...options, keys: { [names.id]: key.secret } })
          expect(record.organizations).toEqual(organizations.join(',').length > 4096 ? '*' : organizations)
        },
      ),
    )
  })
})

describe('a request that was changed on the way', () => {
  it('is refused with another body', () => {
    expect(refusal({ ...forwarded(), body: Buffer.from('{"type":"event_callbacK"}') })).toBe('digest_mismatch')
  })

  it('is refused with another body and the digest that fits it', () => {
    const other = forwarded({ body: Buffer.from('{}') })
    const request = withHeaders(forwarded(), { 'content-digest': other.headers['content-digest'] })
    expect(refusal({ ...request, body: other.body })).toBe('signature_invalid')
  })

  it('is refused with another digest beside the right one', () => {
    const digest = `${forwarded().headers['content-digest']}, sha-256=:AAAA:`
    expect(refusal(withHeaders(forwarded(), { 'content-digest': digest }))).toBe('signature_invalid')
  })

  it.each([
    ['method', { method: 'PUT' }],
    ['path', { url: '/eu/extensions/slack/action/?a=1&b=%20' }],
    ['spelling of the path', { url: '/eu/extensions/slack/%65vent/?a=1&b=%20' }],
    ['prefix', { url: '/extensions/slack/event/?a=1&b=%20' }],
    ['query', { url: '/eu/extensions/slack/event/?a=2&b=%20' }],
    ['spelling of the query', { url: '/eu/extensions/slack/event/?a=1&b=+' }],
    ['query taken off', { url: '/eu/extensions/slack/event/' }],
  ])('is refused with another %s', (_, change) => {
    expect(refusal({ ...forwarded(), ...change })).toBe('signature_invalid')
  })

  const siloNames = Object.keys(forwarded().headers).filter((name) => name.startsWith('silo-'))

  it('carries eight silo headers, so that the two lists below are whole', () => {
    expect(siloNames).toHaveLength(8)
  })

  it.each(siloNames)('is refused with another %s', (name) => {
    expect(refusal(withHeaders(forwarded(), { [name]: '9' }))).toBe('signature_invalid')
  })

  it.each(siloNames)('is refused without its %s', (name) => {
    expect(refusal(withHeaders(forwarded(), { [name]: undefined }))).toBe('signature_invalid')
  })

  it('is refused with a silo header that was added', () => {
    expect(refusal(withHeaders(forwarded(), { 'silo-foo': 'bar' }))).toBe('uncovered_component')
    expect(refusal(withHeaders(forwarded(), { 'Silo-Role': 'admin' }))).toBe('uncovered_component')
  })

  it.each(['silo-organizations', 'signature', 'signature-input', 'content-digest'])(
    'is refused with %s twice',
    (name) => {
      const { headers, ...request } = forwarded()
      const value = headers[name]!
      expect(refusal({ ...request, headers: { ...headers, [name]: [value, value] } })).toBe('signature_malformed')
      expect(refusal({ ...request, headers: { ...headers, [name.toUpperCase()]: value } })).toBe('signature_malformed')
      expect(refusal({ ...request, headers: [...Object.entries(headers), [name, value]] })).toBe('signature_malformed')
    },
  )

  it('is refused with our label twice in one header', () => {
    const { headers } = forwarded()
    const signature = `${headers['signature']}, ${headers['signature']}`
    expect(refusal(withHeaders(forwarded(), { signature }))).toBe('signature_malformed')
  })

  it('is refused with any byte of the signature flipped', () => {
    const { headers } = forwarded()
    const signature = headers['signature']!
    fc.assert(
      fc.property(fc.nat({ max: signature.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const flipped = String.fromCharCode(signature.charCodeAt(at) ^ flip)
        // White space around a header value is not part of it.
        fc.pre(!/\s/.test(flipped))
        const changed = signature.slice(0, at) + flipped + signature.slice(at + 1)
        expect(refusal(withHeaders(forwarded(), { signature: changed }))).toBeDefined()
      }),
      { numRuns: 1000 },
    )
  })

  it('is refused with any byte of what is signed flipped', () => {
    const input = forwarded().headers['signature-input']!
    fc.assert(
      fc.property(fc.nat({ max: input.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const flipped = String.fromCharCode(input.charCodeAt(at) ^ flip)
        fc.pre(!/\s/.test(flipped))
        expect(refusal(withInput((text) => text.slice(0, at) + flipped + text.slice(at + 1)))).toBeDefined()
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a request of somebody else', () => {
  it('is refused without a signature', () => {
    const bare = { signature: undefined, 'signature-input': undefined }
    expect(refusal(withHeaders(forwarded(), bare))).toBe('signature_missing')
  })

  it('is refused when only others have signed it', () => {
    const { headers } = forwarded()
    const renamed = {
      signature: headers['signature']!.replace('silo', 'sig1'),
      'signature-input': headers['signature-input']!.replace('silo', 'sig1'),
    }
    expect(refusal(withHeaders(forwarded(), renamed))).toBe('signature_missing')
  })

  it.each(['signature', 'signature-input'])('is refused with no %s beside the other', (name) => {
    expect(refusal(withHeaders(forwarded(), { [name]: undefined }))).toBe('signature_malformed')
  })

  it('is refused when signed with the key of another region', () => {
    const foreign = { id: 'us-2026', secret: Buffer.from('a secret of the region in America') }
    expect(refusal(forwarded({ key: foreign }))).toBe('unknown_key')
    expect(refusal(forwarded({ key: { ...foreign, id: key.id } }))).toBe('signature_invalid')
  })

  it('is refused when signed with our key for another region', () => {
    expect(refusal(forwarded({ envelope: { region: 'us' } }))).toBe('wrong_region')
  })

  it.each(['__proto__', 'constructor', 'toString'])('is refused with the key id %s', (id) => {
    expect(refusal(forwarded({ key: { ...key, id } }))).toBe('unknown_key')
  })
})

describe('a signature that does not say enough', () => {
  it.each(['@method', '@path', '@query', 'content-digest', 'silo-region', 'silo-epoch'])(
    'is refused without %s',
    (name) => {
      expect(refusal(withInput((input) => input.replace(`"${name}"`, '"host"')))).toBe('uncovered_component')
    },
  )

  it.each(['created', 'expires', 'nonce', 'keyid'])('is refused without %s', (name) => {
    expect(refusal(withInput((input) => input.replace(new RegExp(`;${name}=[^;]*`), '')))).toBe('signature_malformed')
  })

  it.each([
    ['an algorithm that is not ours', (input: string) => input.replace('hmac-sha256', 'rsa-pss-sha512')],
    ['an algorithm that is a token', (input: string) => input.replace('"hmac-sha256"', 'hmac-sha256')],
    ['a time with a fraction', (input: string) => input.replace(/created=\d+/, 'created=1.5')],
    ['a time as text', (input: string) => input.replace(/created=(\d+)/, 'created="$1"')],
    ['an empty nonce', (input: string) => input.replace(/nonce="[^"]*"/, 'nonce=""')],
    ['a component twice', (input: string) => input.replace('"@path"', '"@path" "@path"')],
    ['a component with a parameter', (input: string) => input.replace('"@path"', '"@path";req')],
    ['a component that is a token', (input: string) => input.replace('"@path"', 'path')],
    ['a parameter twice', (input: string) => `${input};nonce="x"`],
    ['a list that does not end', (input: string) => input.slice(0, input.indexOf(')'))],
    ['something behind it', (input: string) => `${input},`],
    ['no list at all', () => 'silo'],
  ])('is refused with %s', (_, change) => {
    expect(refusal(withInput(change))).toBe('signature_malformed')
  })

  it.each(['@authority', '@status', 'X-Upper', 'not-there', 'content-digest"x'])('is refused over %s', (name) => {
    const escaped = name.replace('"', String.raw`\"`)
    expect(refusal(withInput((input) => input.replace('"@method"', `"@method" "${escaped}"`)))).toBe(
      'signature_invalid',
    )
  })
})

describe('a request that is signed and still not good', () => {
  it('is refused when a line break lets one component speak for another', () => {
    expect(refusal(forwarded({ url: '/a\n"@query": ?b' }))).toBe('signature_invalid')
    expect(refusal(forwarded({ method: 'POST\r' }))).toBe('signature_invalid')
  })

  it('is refused when a header passes for a derived component', () => {
    const siloHeaders = [...envelopeHeaders(envelope), '@authority', 'eu.internal']
    expect(refusal(forwarded({ siloHeaders }))).toBe('signature_invalid')
  })

  it('is refused when its digest is of an algorithm we do not read', () => {
    expect(refusal(forwarded({ digest: 'sha-512=:AAAA:' }))).toBe('digest_mismatch')
    expect(refusal(forwarded({ digest: 'sha-256="AAAA"' }))).toBe('digest_mismatch')
  })

  it('is refused when its digest is not a structured field', () => {
    expect(refusal(forwarded({ digest: 'sha-256=AAAA=' }))).toBe('signature_malformed')
  })

  it.each([
    ['silo-delivery', ''],
    ['silo-integration', ''],
    ['silo-organizations', '10,,11'],
    ['silo-organizations', '10,*'],
    ['silo-attempt', '1e3'],
    ['silo-deadline', '-1'],
    ['silo-received-at', '9'.repeat(16)],
  ])('is refused with %s: %j', (name, value) => {
    const siloHeaders = envelopeHeaders(envelope)
    siloHeaders[siloHeaders.findIndex((text) => text.toLowerCase() === name) + 1] = value
    expect(refusal(forwarded({ siloHeaders }))).toBe('envelope_malformed')
  })

  it('is refused without a record', () => {
    expect(refusal(forwarded({ siloHeaders: ['Silo-Region', 'eu'] }))).toBe('envelope_malformed')
  })
})

describe('time', () => {
  const seconds = (n: number) => ({ now: sentAt + n * 1000 })

  it('accepts a signature up to 300 s old and refuses one of 301 s', () => {
    expect(refusal(forwarded(), seconds(300))).toBeUndefined()
    expect(refusal(forwarded(), seconds(301))).toBe('stale')
  })

  it('accepts a signature up to 300 s ahead and refuses one of 301 s', () => {
    expect(refusal(forwarded(), seconds(-300))).toBeUndefined()
    expect(refusal(forwarded(), seconds(-301))).toBe('future')
  })

  it('accepts a signature up to the second it expires in and refuses it in the next', () => {
    const short = forwarded({ expires: sentAt / 1000 + 60 })
    expect(refusal(short, seconds(60))).toBeUndefined()
    expect(refusal(short, seconds(61))).toBe('expired')
  })

  it('may be given as a function', () => {
    expect(refusal(forwarded(), { now: () => sentAt + 301_000 })).toBe('stale')
  })
})

describe('replays', () => {
  it('are refused', () => {
    const seen = new Set<string>()
    expect(refusal(forwarded(), { seen })).toBeUndefined()
    expect(refusal(forwarded(), { seen })).toBe('replayed')
    expect(refusal(forwarded({ nonce: 'nonce-2' }), { seen })).toBeUndefined()
  })

  it('are not noticed where nothing is remembered', () => {
    expect([refusal(forwarded()), refusal(forwarded())]).toEqual([undefined, undefined])
  })

  it('do not touch the nonces of another key', () => {
    const other = { id: 'other', secret: Buffer.from('the secret of another') }
    const both = { keys: { ...keys, other: other.secret }, seen: new Set<string>() }
    expect(refusal(forwarded({ key: other }), both)).toBeUndefined()
    expect(refusal(forwarded(), both)).toBeUndefined()
  })

  it.each([
    ['a changed body', { ...forwarded(), body: Buffer.from('') }, {}],
    ['a changed path', { ...forwarded(), url: '/' }, {}],
    ['another region', forwarded({ envelope: { region: 'us' } }), {}],
    ['a time that is not ours', forwarded(), { now: sentAt + 301_000 }],
  ])('are not made of a request that was refused for %s', (_, request, given) => {
    const seen = new Set<string>()
    expect(refusal(request, { seen, ...given })).toBeDefined()
    expect(refusal(forwarded(), { seen })).toBeUndefined()
  })
})

describe('whatever else arrives', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z0-9=:;,"()?\\@. *-]*$/))

  it('is refused by a ForwardedRequestError and nothing else', () => {
    const headers = fc.dictionary(
      fc.oneof(fc.constantFrom(...Object.keys(forwarded().headers)), fc.string()),
      fc.oneof(text, fc.array(text), fc.constant(undefined)),
    )
    fc.assert(
      fc.property(text, text, headers, fc.uint8Array(), (method, url, changed, body) => {
        expect(refusal({ method, url, headers: changed, body })).toBeDefined()
        const others = refusal({
          ...forwarded(),
          headers: { ...forwarded().headers, ...changed, signature: 'silo=:AAAA:' },
        })
        expect(others).toBeDefined()
      }),
      { numRuns: 500 },
    )
  })

  it('is refused by a ForwardedRequestError behind the beginning of a real Signature-Input', () => {
    const input = forwarded().headers['signature-input']!
    fc.assert(
      fc.property(fc.nat({ max: input.length }), text, (at, rest) => {
        const changed = input.slice(0, at) + rest
        // Behind a comma stands somebody else's signature, which is no concern of ours.
        fc.pre(!changed.startsWith(input) || !/^[ \t]*(?:,|$)/.test(changed.slice(input.length)))
        expect(refusal(withHeaders(forwarded(), { 'signature-input': changed }))).toBeDefined()
      }),
      { numRuns: 1000 },
    )
  })
})

describe('options that cannot be used', () => {
  it.each([
    ['an empty secret', { keys: { eu: '' } }],
    ['empty bytes', { keys: { eu: new Uint8Array() } }],
    ['a secret that is not base64', { keys: { eu: 'not base64!' } }],
    ['an id with a space', { keys: { 'e u': 'AAAA' } }],
    ['no key', { keys: {} }],
    ['an empty text', { keys: '' }],
    ['a text without an id', { keys: 'AAAA' }],
    ['a text that gives an id twice', { keys: 'eu:AAAA,eu:BBBB' }],
    ['no region', { region: '' }],
  ])('are a TypeError: %s', (_, given) => {
    expect(() => verifyForwarded(forwarded(), { ...options, ...given })).toThrow(TypeError)
  })

  it('never show the secret', () => {
    const keysText = { eu: 'hunter2 is not base64' }
    expect(() => verifyForwarded(forwarded(), { ...options, keys: keysText })).toThrow(/^(?!.*hunter2).*$/)
  })
})
