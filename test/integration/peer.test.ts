import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseTrustedProxies } from '../../src/config/trusted-proxies.ts'
import { peerOf } from '../../src/peer.ts'
import { send } from '../support/test-gateway.ts'

let server: Server
let port: number
let trusted = true

const loopback = parseTrustedProxies(['127.0.0.0/8'])
const nobody = parseTrustedProxies([])

beforeAll(async () => {
  server = createServer((req, res) => {
    const proxies = trusted ? loopback : nobody
    if (proxies === undefined) throw new Error('These are addresses')
    res.end(JSON.stringify(peerOf(req, proxies, 'remote-user')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

/** What is believed of a request with these headers; a list is sent as so many lines. */
async function believed(headers: Record<string, string | string[]>, from: 'proxy' | 'anybody' = 'proxy') {
  trusted = from === 'proxy'
  const reply = await send(port, { method: 'GET', path: '/', headers: { Host: 'gateway.test', ...headers } })
  return reply.json()
}

const itself = { forwardedFor: '127.0.0.1', proto: 'http', host: 'gateway.test' }

describe('of a trusted proxy', () => {
  it('one value each is believed', async () => {
    expect(
      await believed({
        'X-Forwarded-For': '203.0.113.9',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': 'hooks.example.com',
        'Remote-User': 'alice',
      }),
    ).toEqual({
      forwardedFor: '203.0.113.9, 127.0.0.1',
      proto: 'https',
      host: 'hooks.example.com',
      user: 'alice',
    })
  })

  it.each([
    ['two lines', ['mallory', 'alice']],
    ['two lines alike', ['alice', 'alice']],
    ['two lines that were joined on the way', 'mallory, alice'],
    ['an empty line', ''],
    ['an empty line beside another', ['', 'alice']],
  ])('%s sign nobody in', async (_, user) => {
    expect(await believed({ 'Remote-User': user })).toEqual(itself)
  })

  it.each([
    ['X-Forwarded-Proto', ['https', 'http']],
    ['X-Forwarded-Proto', 'https, http'],
    ['X-Forwarded-Host', ['evil.example', 'hooks.example.com']],
    ['X-Forwarded-Host', 'evil.example,hooks.example.com'],
  ])('several values of %s are none: %j', async (name, value) => {
    expect(await believed({ [name]: value })).toEqual(itself)
  })

  it('the chain may stand in several lines', async () => {
    expect(await believed({ 'X-Forwarded-For': ['198.51.100.1, 203.0.113.9', '10.0.0.1'] })).toEqual({
      ...itself,
      forwardedFor: '198.51.100.1, 203.0.113.9, 10.0.0.1, 127.0.0.1',
    })
  })

  it('an empty chain is none', async () => {
    expect(await believed({ 'X-Forwarded-For': '' })).toEqual(itself)
  })
})

it('of anybody else nothing is believed', async () => {
  expect(
    await believed(
      {
        'X-Forwarded-For': '203.0.113.9',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': 'evil.example',
        'Remote-User': 'alice',
      },
      'anybody',
    ),
  ).toEqual(itself)
})
