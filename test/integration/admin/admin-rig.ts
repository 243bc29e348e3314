import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { adminApp, type AdminOptions } from '../../../src/admin/admin-listener.ts'
import { openApiOf } from '../../../src/admin/openapi.ts'
import { adminRoutes } from '../../../src/admin/routes.ts'
import type { Gateway } from '../../../src/gateway.ts'
import { expectDocumented, type OpenApi } from './documented.ts'
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../../support/test-gateway.ts'

export interface AdminReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Parsed; undefined where there is no body. */
  readonly json: unknown
}

export interface Ask {
  readonly body?: unknown
  /** In place of `body`, as it is. */
  readonly text?: string | Buffer
  readonly headers?: Record<string, string | undefined>
}

export interface Admin {
  readonly port: number
  /** `ask('PUT', '/api/organizations/10', { body: {…} })` */
  ask(method: string, path: string, what?: Ask): Promise<AdminReply>
  close(): Promise<void>
}

export interface AdminRig extends Admin {
  readonly gateway: Gateway
  readonly test: TestGateway
}

/** A whole gateway with its admin listener, both on free ports. */
export async function startAdmin(
  options: Partial<TestGatewayOptions> = {},
  adminOptions: AdminOptions = {},
): Promise<AdminRig> {
  const test = await startTestGateway({
    regions: [
      { name: 'us', address: 'http://127.0.0.1:9' },
      { name: 'eu', address: 'http://127.0.0.1:9' },
    ],
    ...options,
  })
  const { gateway } = test
  const admin = await openAdmin(gateway, adminOptions)
  return {
    ...admin,
    gateway,
    test,
    async close() {
      await admin.close()
      await test.close()
    },
  }
}

/** The admin listener of a gateway that is there; every answer of its API is held to the OpenAPI document. */
export async function openAdmin(gateway: Gateway, options: AdminOptions = {}): Promise<Admin> {
  const server = createServer(adminApp(gateway, options))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  // What the document says is what is sent: asked over HTTP by a test of its own.
  const document = openApiOf(adminRoutes(gateway, options)) as unknown as OpenApi
  return {
    port,
    async ask(method, path, what) {
      const reply = await askAt(port, method, path, what)
      if (/^\/(?:api\/|openapi)/.test(path)) expectDocumented(document, method, path, reply)
      return reply
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function askAt(port: number, method: string, path: string, { body, text, headers = {} }: Ask = {}) {
  const bytes = text ?? (body === undefined ? undefined : JSON.stringify(body))
  const given = Object.entries({ ...(bytes !== undefined && { 'Content-Type': 'application/json' }), ...headers })
  return new Promise<AdminReply>((resolve, reject) => {
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        headers: Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Record<string, string>,
      },
      (response) => {
        const chunks: Buffer[] = []
        // A stream has no end of its own.
        const isStream = response.headers['content-type'] === 'text/event-stream'
        response.on('error', reject).on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          if (isStream) response.destroy()
        })
        response.on(isStream ? 'close' : 'end', () => {
          const said = Buffer.concat(chunks).toString()
          const isJson = /json/.test(response.headers['content-type'] ?? '')
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: said,
            json: isJson && said !== '' ? JSON.parse(said) : undefined,
          })
        })
      },
    )
    request.on('error', reject)
    request.end(bytes)
  })
}
