import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readBody } from '../../../bench/contenders/http.ts'
import { isSigned } from '../../../bench/contenders/verify.ts'
import { pathToProgram } from '../../../bench/installed.ts'
import { slackCommand } from '../../../bench/slack-command.ts'
import { SECRET } from '../../../bench/slack-event.ts'
import { runWrk } from '../../../bench/wrk.ts'

const installed = pathToProgram('wrk') !== undefined
if (!installed) console.warn('wrk is not installed: what it sends is not looked at')

describe.skipIf(!installed)('wrk', () => {
  const received: { url: string | undefined; headers: IncomingHttpHeaders; body: Buffer }[] = []
  let status = 200
  let server: Server
  beforeEach(async () => {
    received.length = 0
    status = 200
    server = createServer((req, res) =>
      readBody(req, (body) => {
        received.push({ url: req.url, headers: req.headers, body })
        // After some it is slow, so that no test holds more of them than it needs.
        setTimeout(() => res.writeHead(status).end(), received.length < 20 ? 0 : 100)
      }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  })
  const run = (forms: Parameters<typeof runWrk>[0]['forms']) =>
    runWrk({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, forms, connections: 2, seconds: 1 })

  it.each([400, 100_000])('sends commands of %d bytes as they are, one after another and then again', async (bytes) => {
    const forms = [1, 2, 3].map((number) => slackCommand(number, { bytes }))
    const { requests, errors, perSecond, p50Ms, p99Ms } = await run(forms)
    const bodies = received.map(({ body }) => body.toString())
    expect(requests).toBeGreaterThan(3)
    expect(new Set(bodies)).toEqual(new Set(forms.map(({ body }) => body)))
    expect(received.every(({ headers, body }) => isSigned(SECRET, headers, body))).toBe(true)
    expect(received[0]).toMatchObject({
      url: '/extensions/slack/commands/',
      headers: { 'user-agent': expect.stringContaining('Slackbot'), 'content-length': String(bytes) },
    })
    expect(errors).toEqual({})
    expect(perSecond).toBeGreaterThan(0)
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms)
  })

  it('counts answers that are errors', async () => {
    status = 500
    const { requests, errors } = await run([slackCommand(1)])
    expect(errors).toEqual({ status: requests })
  })
})
