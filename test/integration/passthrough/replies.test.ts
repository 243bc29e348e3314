import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Answer } from '../../support/fake-region.ts'
import { useSilos } from '../../support/silos.ts'
import { slashCommand } from '../../support/slack-payloads.ts'
import type { TestReply } from '../../support/test-gateway.ts'

const silos = useSilos()
const command = slashCommand()

/** What Slack gets of a region's reply. */
async function replyOf(answer: Answer, prefix = ''): Promise<TestReply> {
  const { post } = await silos({ eu: answer }, { prefix })
  return await post('/extensions/slack/commands/', command.body, command)
}

function valuesOf({ rawHeaders }: TestReply, name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
}

describe("a region's reply", () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

  it.each([
    ['of every byte there is', everyByte],
    ['of UTF-8', Buffer.from('„Größe“ ☂ 🗝')],
    ['that is empty', Buffer.alloc(0)],
    ['of 1 MiB', Buffer.alloc(1_048_576, 'é')],
  ])('%s passes byte for byte, with its true length', async (_, body) => {
    const reply = await replyOf((res) => res.writeHead(200, { 'Content-Type': 'application/x-test' }).end(body))
    expect(reply.body.equals(body)).toBe(true)
    expect(valuesOf(reply, 'content-length')).toEqual([String(body.length)])
    expect(reply.headers['content-type']).toBe('application/x-test')
  })

  it('of gzip passes as it is, and still says so', async () => {
    const body = gzipSync('{"text":"compressed"}')
    const reply = await replyOf((res) => res.writeHead(200, { 'Content-Encoding': 'gzip' }).end(body))
    expect(reply.body.equals(body)).toBe(true)
    expect(valuesOf(reply, 'content-encoding')).toEqual(['gzip'])
    expect(valuesOf(reply, 'content-length')).toEqual([String(body.length)])
  })

  it('of chunks arrives whole, with a length and without its trailers', async () => {
    const reply = await replyOf((res) => {
      res.writeHead(200, { Trailer: 'X-Sum' })
      res.write('one,')
      res.write('two')
      res.addTrailers({ 'X-Sum': '7' })
      res.end()
    })
    expect(reply.text).toBe('one,two')
    expect(valuesOf(reply, 'content-length')).toEqual(['7'])
    expect(reply.headers).not.toHaveProperty('transfer-encoding')
    expect(reply.headers).not.toHaveProperty('trailer')
  })

  it.each([204, 304])('of %i has neither body nor length', async (status) => {
    const reply = await replyOf((res) => res.writeHead(status, { ETag: '"1"' }).end())
    expect(reply).toMatchObject({ status, text: '', headers: { etag: '"1"' } })
    expect(reply.headers).not.toHaveProperty('content-length')
    expect(reply.headers).not.toHaveProperty('transfer-encoding')
  })

  it.each([201, 207, 299, 300, 400, 418, 451, 499])('keeps the status %i', async (status) => {
    expect(await replyOf((res) => res.writeHead(status).end('x'))).toMatchObject({ status, text: 'x' })
  })

  it('keeps headers that stand there twice, and the bytes of their values', async () => {
    const reply = await replyOf((res) =>
      res
        .writeHead(200, ['X-Twice', 'one', 'x-twice', 'two', 'X-Name', 'Gr\u00fc\u00dfe', 'Vary', 'A', 'Vary', 'B'])
        .end(),
    )
    expect(valuesOf(reply, 'x-twice')).toEqual(['one', 'two'])
    expect(valuesOf(reply, 'x-name')).toEqual(['Gr\u00fc\u00dfe'])
    expect(valuesOf(reply, 'vary')).toEqual(['A', 'B'])
    expect(reply.rawHeaders).toContain('x-twice')
  })

  it('loses what concerns the connection or describes the inside', async () => {
    const reply = await replyOf((res) =>
      res
        .writeHead(200, {
          Connection: 'keep-alive, X-Hop',
          'Keep-Alive': 'timeout=77',
          'X-Hop': '1',
          'Proxy-Authenticate': 'Basic',
          Upgrade: 'h2c',
          'Set-Cookie': ['a=1', 'b=2'],
          Server: 'region/1.0',
          'X-Powered-By': 'Express',
          'Silo-Region': 'eu',
          'X-Sentry-Subnet-Proxy-Url': 'http://inside',
          'X-Kept': 'yes',
        })
        .end('x'),
    )
    for (const name of [
      'x-hop',
      'proxy-authenticate',
      'upgrade',
      'set-cookie',
      'server',
      'x-powered-by',
      'silo-region',
      'x-sentry-subnet-proxy-url',
    ])
      expect(reply.headers).not.toHaveProperty(name)
    expect(reply.headers['keep-alive']).not.toBe('timeout=77')
    expect(reply.headers['x-kept']).toBe('yes')
    expect(reply.text).toBe('x')
  })

  it('carries one X-Request-Id, ours, and one Date', async () => {
    const date = 'Tue, 14 Nov 2023 22:13:20 GMT'
    const reply = await replyOf((res) => res.writeHead(200, { 'X-Request-Id': 'of-the-region', Date: date }).end())
    expect(valuesOf(reply, 'x-request-id')).toEqual([expect.stringMatching(/^[0-9A-Z]{26}$/)])
    expect(valuesOf(reply, 'date')).toEqual([date])
  })
})

describe('a redirect', () => {
  it.each([
    ['', (own: string) => `${own}/next?a=1#b`, '/next?a=1#b'],
    ['', (own: string) => own, '/'],
    ['', () => '/already/relative', '/already/relative'],
    ['/silo', (own: string) => `${own}/silo/next`, '/next'],
    ['/silo', () => '/silo/next', '/next'],
    ['', () => 'https://login.example.com/x', 'https://login.example.com/x'],
    ['', (own: string) => `${own}//evil.example/x`, '/.//evil.example/x'],
  ])('behind the prefix "%s" never leads to the inside, nor is it followed', async (prefix, location, expected) => {
    let asked = 0
    const reply = await replyOf((res, _, req) => {
      asked += 1
      res.writeHead(302, { Location: location(`http://${req.headers.host ?? ''}`) }).end()
    }, prefix)
    expect(reply).toMatchObject({ status: 302, headers: { location: expected } })
    expect(asked).toBe(1)
  })
})

describe('X-Request-Id', () => {
  it.each([
    ['a refusal', '/extensions/slack/commands/', null, 401],
    ['a path that is nobody’s', '/nowhere', null, 404],
    ['an ssl_check', '/extensions/slack/commands/', null, 200],
  ])('is on %s, once', async (what, path, secret, status) => {
    const { post } = await silos({ eu: undefined })
    const body = what === 'an ssl_check' ? 'ssl_check=1' : 'x=1'
    const reply = await post(path, body, {
      contentType: command.contentType,
      secret,
      headers: { 'X-Request-Id': 'mine' },
    })
    expect(reply.status).toBe(status)
    expect(valuesOf(reply, 'x-request-id')).toEqual([expect.stringMatching(/^[0-9A-Z]{26}$/)])
  })
})
