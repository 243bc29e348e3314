import { describe, expect, it } from 'vitest'
import { contentDigest, digestMatches, signForwarded, type SigningKey } from '../../../src/wire/signature.ts'

// RFC 9421 appendix B.1.5.
const key: SigningKey = {
  id: 'test-shared-secret',
  secret: Buffer.from(
    'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDg==',
    'base64',
  ),
}

function sign(target: string, siloHeaders: string[] = []) {
  const message = { method: 'POST', target, siloHeaders, digest: contentDigest(Buffer.from('{"hello": "world"}')) }
  return signForwarded(message, key, { created: 1618884473, expires: 1618884773, nonce: 'n"1' })
}

describe('a signature', () => {
  it('names its components, its parameters and its label in their order', () => {
    const [digestName, digest, inputName, input, signatureName, signature] = sign('/foo?a=b', ['silo-region', 'eu'])
    expect([digestName, inputName, signatureName]).toEqual(['content-digest', 'signature-input', 'signature'])
    expect(digest).toBe('sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:')
    expect(input).toBe(
      'silo=("@method" "@path" "@query" "content-digest" "silo-region")' +
        ';created=1618884473;expires=1618884773;nonce="n\\"1";keyid="test-shared-secret";alg="hmac-sha256"',
    )
    expect(signature).toMatch(/^silo=:[A-Za-z0-9+/]{43}=:$/)
  })

  it('is the HMAC of the signature base of RFC 9421 section 2.5', () => {
    // Computed with openssl over the base written out by hand.
    expect(sign('/foo?a=b', ['silo-region', 'eu'])[5]).toBe('silo=:T8a9JVRvFgcGXiPQcPaKjwCM4zf+vCCIqnvMNnd3eRY=:')
  })

  it('takes an empty path for / and no query for ?', () => {
    expect(sign('')).toEqual(sign('/?'))
    expect(sign('?a')).toEqual(sign('/?a'))
    expect(sign('?a')).not.toEqual(sign('/'))
  })
})

describe('a content digest', () => {
  it('matches the bytes it was made of and no others', () => {
    const digest = contentDigest(Buffer.from('body'))
    expect(digestMatches(digest, Buffer.from('body'))).toBe(true)
    expect(digestMatches(digest, Buffer.from('Body'))).toBe(false)
  })

  it('may have others beside it', () => {
    const digest = `sha-512=:AAAA:, ${contentDigest(Buffer.from('body'))}`
    expect(digestMatches(digest, Buffer.from('body'))).toBe(true)
  })

  it('does not match where there is none by SHA-256', () => {
    expect(digestMatches('sha-512=:AAAA:', Buffer.from('body'))).toBe(false)
    expect(digestMatches('sha-256=AAAA', Buffer.from('body'))).toBe(false)
  })
})
