import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { blockSuggestion } from '../../support/slack-payloads.ts'
import { startTestGateway, workspace, type TestGateway, type TestReply } from '../../support/test-gateway.ts'

const hasOpenssl = isThere('openssl')
if (!hasOpenssl) {
  if (process.env['CI'] === 'true') throw new Error('openssl is not installed, and CI skips nothing')
  console.warn('openssl is not installed: TLS towards regions is not tested')
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['version'])
    return true
  } catch {
    return false
  }
}

describe.skipIf(!hasOpenssl)('a region over TLS', () => {
  let folder: string
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    for (const ca of ['ca', 'foreign-ca'])
      openssl(
        'req',
        '-x509',
        ...newKey,
        '-keyout',
        `${ca}.key`,
        '-out',
        `${ca}.pem`,
        '-days',
        '2',
        '-subj',
        `/CN=${ca}`,
      )
    await writeFile(file('san'), 'subjectAltName=IP:127.0.0.1')
    for (const [name, ca] of [
      ['region', 'ca'],
      ['gateway', 'ca'],
      ['stranger', 'foreign-ca'],
    ] as const) {
      openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
      const by = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', 'san', '-days', '2']
      openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...by)
    }
  })
  afterAll(() => rm(folder, { recursive: true }))

  const closing: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  /** A gateway before a region that greets with these options, under a `tls` entry of these files. */
  async function start(options: ServerOptions, tls: Record<string, string> | undefined): Promise<TestGateway> {
    const server = createServer(
      { cert: readFileSync(file('region.pem')), key: readFileSync(file('region.key')), ...options },
      (req, res) => {
        const peer = req.socket instanceof TLSSocket ? req.socket.getPeerCertificate().subject : undefined
        res.end(`to ${String(peer?.CN ?? 'somebody')}`)
      },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closing.push(
      () =>
        new Promise((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        }),
    )
    const gateway = await startTestGateway({
      regions: [
        {
          name: 'eu',
          address: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
          ...(tls && { tls: Object.fromEntries(Object.entries(tls).map(([key, name]) => [key, file(name)])) }),
        },
      ],
      directory: workspace({ acme: 'eu' }),
    })
    closing.push(() => gateway.close())
    return gateway
  }

  /** What an options load gets. */
  function ask(gateway: TestGateway): Promise<TestReply> {
    const suggestion = blockSuggestion()
    return gateway.post('/extensions/slack/options-load/', suggestion.body, suggestion)
  }

  const answerOf = async (...started: Parameters<typeof start>): Promise<TestReply> => ask(await start(...started))

  const mutual = (): ServerOptions => ({
    ca: readFileSync(file('ca.pem')),
    requestCert: true,
    rejectUnauthorized: true,
  })
  const ours = { ca_file: 'ca.pem', cert_file: 'gateway.pem', key_file: 'gateway.key' }

  it('answers where its private CA is the one of the regions file', async () => {
    expect(await answerOf({}, { ca_file: 'ca.pem' })).toMatchObject({ status: 200, text: 'to somebody' })
  })

  it('that asks for a client certificate gets the one of the regions file', async () => {
    expect(await answerOf(mutual(), ours)).toMatchObject({ status: 200, text: 'to gateway' })
  })

  it.each([
    ['not known', undefined],
    ['another', { ca_file: 'foreign-ca.pem' }],
  ])('is tls_failed where its CA is %s', async (_, tls) => {
    const reply = await answerOf({}, tls)
    expect(reply.status).toBe(502)
    expect(reply.json()).toMatchObject({ regions: { eu: 'tls_failed' } })
  })

  it('is known by the CA that has taken the place of another in the same file, once that is read again', async () => {
    await copyFile(file('foreign-ca.pem'), file('trusted.pem'))
    const gateway = await start({}, { ca_file: 'trusted.pem' })
    expect((await ask(gateway)).status).toBe(502)
    await copyFile(file('ca.pem'), file('trusted.pem'))
    expect(gateway.gateway.reload()).toEqual([])
    expect((await ask(gateway)).status).toBe(200)
  })

  // In TLS 1.3 the region judges our certificate when we are through; Node as a region then just hangs up.
  it.each([
    ['is none', { ca_file: 'ca.pem' }],
    ['is not taken', { ...ours, cert_file: 'stranger.pem', key_file: 'stranger.key' }],
  ])('never answers where the client certificate it asks for %s', async (_, tls) => {
    const reply = await answerOf(mutual(), tls)
    expect(reply.status).toBe(502)
    expect(reply.json()).toMatchObject({ regions: { eu: 'connection_reset' } })
  })
})
