import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { systemClock } from '../../src/clock.ts'
import { openDirectory, type DirectoryStore } from '../../src/directory/store.ts'
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway.ts'
import { createPublicListener } from '../../src/public-listener.ts'
import type { LogLevel } from '../../src/telemetry/log.ts'
import type { WebhookRecord } from '../../src/telemetry/webhook-record.ts'
import { signSlack } from './slack-signer.ts'

export const SIGNING_SECRET = 'a-signing-secret-for-tests'

const SPOOL_KEY = `tests:${Buffer.alloc(32, 7).toString('base64')}`

/** What `regions.yaml` says of a region; `name` and `address` are the least. */
export type RegionEntry = { name: string; address: string } & Record<string, unknown>

export interface DirectoryContent {
  readonly integrations: readonly Record<string, unknown>[]
  readonly organizations: readonly Record<string, unknown>[]
  readonly organization_integrations: readonly Record<string, unknown>[]
}

export interface TestGatewayOptions extends Omit<GatewayOptions, 'env' | 'log' | 'onWebhook'> {
  readonly regions: readonly RegionEntry[]
  /** The `slack:` section. */
  readonly slack?: Record<string, unknown>
  readonly directory?: DirectoryContent
  readonly env?: Record<string, string | undefined>
}

export interface TestReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  readonly text: string
  json(): unknown
}

export interface PostOptions {
  readonly contentType?: string
  readonly headers?: Record<string, string | string[] | undefined>
  /** Default: `SIGNING_SECRET`. `null` sends no signature. */
  readonly secret?: string | null
  readonly method?: string
}

export interface TestGateway {
  readonly gateway: Gateway
  readonly url: string
  readonly port: number
  readonly server: Server
  readonly logs: { level: LogLevel; message: string; fields: Record<string, unknown> }[]
  /** The story of every webhook whose last region has come to its end. */
  readonly records: WebhookRecord[]
  /** Posts a body, signed as Slack would unless told otherwise; with its own signature each time, even if the body is the same. */
  readonly post: (path: string, body: string | Buffer, options?: PostOptions) => Promise<TestReply>
  readonly get: (path: string, headers?: Record<string, string>) => Promise<TestReply>
  /** Waits until everything under way has come to its end, then closes all. */
  close(): Promise<void>
}

/** The whole gateway on a free port: real sockets, an empty or given directory in memory, everything else as shipped. */
export async function startTestGateway(options: TestGatewayOptions): Promise<TestGateway> {
  const { regions, slack, directory, env, ...collaborators } = options
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
  const regionsFile = join(folder, 'regions.yaml')
  await writeFile(regionsFile, stringify({ version: 1, regions, ...(slack && { slack }) }))
  const logs: TestGateway['logs'] = []
  const records: WebhookRecord[] = []
  const write =
    (level: LogLevel) =>
    (fields: Record<string, unknown>, message: string): void => {
      logs.push({ level, message, fields })
    }

  const gateway = await createGateway({
    // Files are looked at in their own time, which no test's clock knows.
    watch: false,
    ...collaborators,
    env: {
      SLACK_SIGNING_SECRETS: SIGNING_SECRET,
      SPOOL_KEYS: SPOOL_KEY,
      DATABASE_URL: 'sqlite::memory:',
      REGIONS_FILE: regionsFile,
      ...env,
    },
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    onWebhook: (record) => records.push(record),
  })
  if (directory !== undefined) await fillDirectory(gateway, directory, folder)
  // What a start sets off is over: calls are carried out in order, and a turn later everybody has heard of this one.
  await gateway.spool.usage()
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  const server = createPublicListener(gateway)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const signatures = new Set<string>()
  /** By the same signature it would be the same request: one that is sent again was signed a second before the last. */
  const signedAnew = (secret: string, body: string | Buffer) => {
    for (let now = gateway.clock.now(); ; now -= 1000) {
      const headers = signSlack({ secret, body, now })
      if (signatures.has(headers['x-slack-signature'])) continue
      signatures.add(headers['x-slack-signature'])
      return headers
    }
  }

  return {
    gateway,
    url: `http://127.0.0.1:${port}`,
    port,
    server,
    logs,
    records,
    post(
      path,
      body,
      { contentType = 'application/json', headers = {}, secret = SIGNING_SECRET, method = 'POST' } = {},
    ) {
      const signature = secret === null ? {} : signedAnew(secret, body)
      return send(port, { method, path, body, headers: { 'Content-Type': contentType, ...signature, ...headers } })
    },
    get: (path, headers = {}) => send(port, { method: 'GET', path, headers }),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      await closeGateway(gateway)
      server.closeAllConnections()
      await closed
      await rm(folder, { recursive: true })
    },
  }
}

/** What waits for a lock on the database as it closes needs time to pass, and no less than others take to let go. */
async function closeGateway(gateway: Gateway): Promise<void> {
  const { clock } = gateway
  const progress = { isDone: false }
  const closed = gateway.close().finally(() => (progress.isDone = true))
  const pace = setInterval(() => {
    if (!progress.isDone && 'advance' in clock && typeof clock.advance === 'function') clock.advance(PACE_MS)
  }, PACE_MS)
  try {
    await closed
  } finally {
    clearInterval(pace)
  }
}

const PACE_MS = 20

async function fillDirectory(gateway: Gateway, content: DirectoryContent, folder: string): Promise<void> {
  const file = join(folder, 'directory.json')
  await writeFile(file, JSON.stringify(content))
  const { DATABASE_URL: database } = gateway.configuration().settings
  const importInto = (store: Pick<DirectoryStore, 'importFile'>) =>
    store.importFile(file, { author: 'test', knownRegions: new Set() })
  if (database.kind !== 'sqlite' || database.path === ':memory:') {
    await importInto(gateway.store)
    return
  }
  // Whoever finds a file locked tries again a moment later by its clock, and the gateway's may stand still. What locks it
  // is a thread of that gateway, or of another one.
  const store = await openDirectory(database, { clock: systemClock })
  await importInto(store)
  await store.close()
}

/** One request over its own connection, its reply read whole. */
export function send(
  port: number,
  {
    method,
    path,
    body,
    headers,
  }: { method: string; path: string; body?: string | Buffer; headers: Record<string, string | string[] | undefined> },
): Promise<TestReply> {
  return new Promise((resolve, reject) => {
    const defined = Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    )
    const request = httpRequest(
      { host: '127.0.0.1', port, method, path, headers: defined, agent: false },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const bytes = Buffer.concat(chunks)
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: bytes,
            text: bytes.toString(),
            json: () => JSON.parse(bytes.toString()),
          })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** One Slack workspace and the organizations that use it: `{ acme: 'us', beta: 'eu' }` is slug to region. */
export function workspace(
  organizations: Record<string, string>,
  integration: Record<string, unknown> = {},
): DirectoryContent {
  const slugs = Object.keys(organizations)
  return {
    integrations: [
      { id: 1, provider: 'slack', external_id: 'T0ACME00001', name: 'Acme', status: 'active', ...integration },
    ],
    organizations: slugs.map((slug, index) => ({
      id: 10 + index,
      slug,
      name: slug,
      region: organizations[slug],
      status: 'active',
    })),
    organization_integrations: slugs.map((_, index) => ({
      integration_id: integration['id'] ?? 1,
      organization_id: 10 + index,
      status: 'active',
    })),
  }
}
