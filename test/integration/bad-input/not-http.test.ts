import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { rawClient, type RawClient } from '../../support/raw-client.ts'
import { useSilos } from '../../support/silos.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { slashCommand } from '../../support/slack-payloads.ts'
import { SIGNING_SECRET } from '../../support/test-gateway.ts'

const silos = useSilos()
const clients: RawClient[] = []
afterEach(() => {
  for (const { socket } of clients.splice(0)) socket.destroy()
})

/** A gateway before a region that answers when told. */
async function gateway() {
  const clock = createManualClock()
  const held: ServerResponse[] = []
  const started = await silos({ eu: (res) => held.push(res) }, { clock })
  const { body, contentType } = slashCommand()
  const signature = Object.entries(signSlack({ secret: SIGNING_SECRET, body, now: clock.now() }))
  const head = ['POST /slack/events HTTP/1.1', 'Host: x', `Content-Type: ${contentType}`]
  const fields = [`Content-Length: ${Buffer.byteLength(body)}`, ...signature.map((pair) => pair.join(': '))]
  return {
    ...started,
    clock,
    held,
    command: `${[...head, ...fields].join('\r\n')}\r\n\r\n${body}`,
    raw: () => {
      const client = rawClient(started.port)
      clients.push(client)
      return client
    },
  }
}

/** The one answer there is, and nothing behind it. */
function onlyAnswer(heard: string) {
  const [head = '', body = '', ...more] = heard.split('\r\n\r\n')
  expect(more).toEqual([])
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  )
  expect(headers['content-length']).toBe(String(Buffer.byteLength(body)))
  return { status: Number(statusLine.split(' ')[1]), headers, problem: JSON.parse(body) as unknown }
}

const POST = 'POST /slack/events HTTP/1.1\r\nHost: x\r\n'

describe('what cannot be read as HTTP', () => {
  it.each([
    ['what is not HTTP', 'Good day\r\n\r\n', 400, 'malformed_http'],
    ['no Host', 'POST /slack/events HTTP/1.1\r\n\r\n', 400, 'malformed_http'],
    ['a NUL in a header', `${POST}A: \u0000\r\n\r\n`, 400, 'malformed_http'],
    ['a head that stops half-way', POST, 400, 'malformed_http'],
    ['a chunk that is none', `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, 'malformed_http'],
    ['headers of 20 KiB', `${POST}A: ${'a'.repeat(20_480)}\r\n\r\n`, 431, 'headers_too_large'],
    ['another expectation', `${POST}Expect: a-miracle\r\nContent-Length: 0\r\n\r\n`, 417, 'expectation_failed'],
  ])('is a problem document with an id, and the connection ends: %s', async (what, bytes, status, code) => {
    const { raw, regions } = await gateway()
    const client = raw()
    client.write(bytes)
    if (what === 'a head that stops half-way') client.socket.end()
    const answer = onlyAnswer(await client.closed)
    expect(answer).toMatchObject({ status, problem: { status, code } })
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'x-request-id': expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
      connection: 'close',
    })
    expect(regions.eu.requests).toEqual([])
  })

  it('is 408 where the headers do not come to their end', async () => {
    const { raw, server } = await gateway()
    server.headersTimeout = 1
    const client = raw()
    client.write(POST)
    expect(onlyAnswer(await client.closed)).toMatchObject({ status: 408, problem: { code: 'headers_timeout' } })
  })

  it('is the end of a request whose headers come to theirs only afterwards', async () => {
    const { raw, server, records, regions } = await gateway()
    server.headersTimeout = 1
    const client = raw()
    client.write(POST)
    await client.hears(/headers_timeout/)
    client.write('Content-Length: 0\r\n\r\n')
    await client.closed
    expect([records, regions.eu.requests]).toEqual([[], []])
  })

  it('behind a webhook still under way does not take its answer, and the connection ends with that', async () => {
    const { raw, command, regions, held } = await gateway()
    const client = raw()
    client.write(command)
    await regions.eu.nextRequest()
    client.write('Good day\r\n\r\n')
    // Another connection's refusal: what came before it has been read as well.
    const other = raw()
    other.write('Good day\r\n\r\n')
    await other.closed
    expect(client.heard()).toBe('')
    held[0]?.end('from eu')
    const heard = await client.closed
    expect(heard).toMatch(/^HTTP\/1\.1 200 .*from eu$/s)
    expect(heard.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it('of a caller who does not go away is cut off', async () => {
    const { raw, clock, server } = await gateway()
    const client = raw()
    client.socket.allowHalfOpen = true
    client.write('Good day\r\n\r\n')
    await client.hears(/malformed_http/)
    const connections = () =>
      new Promise((resolve) => {
        server.getConnections((_, count) => resolve(count))
      })
    client.write('and still more')
    clock.advance(1000)
    await expect.poll(connections).toBe(0)
  })

  it('and is dripped on is answered once', async () => {
    const { raw } = await gateway()
    const client = raw()
    client.write('Good day\r\n\r\n')
    client.write('Good night\r\n\r\n')
    expect(onlyAnswer(await client.closed)).toMatchObject({ status: 400 })
  })
})
