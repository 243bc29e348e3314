import { request, type IncomingHttpHeaders } from 'node:http'
import { coreVariables } from '../config/environment.ts'
import { requireVariables } from '../config/required.ts'
import type { DirectoryStore } from '../directory/store.ts'
import type { Process } from './process.ts'

/** The admin API of a gateway that runs. */
export interface Server {
  /**
   * Asks it, in JSON. Rejects with one line for whoever typed the command: when it cannot be asked, or refuses with
   * anything but one of these statuses.
   */
  ask(method: string, path: string, what?: Question): Promise<ServerAnswer>
}

export interface Question {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Refusals that the command has words of its own for. */
  readonly allow?: readonly number[]
}

export interface ServerAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

/** A gateway that runs says which database it has at once. */
const GREETING_MS = 2000
/** A replay of all there is may take its time, but somebody waits. */
const PATIENCE_MS = 600_000

/**
 * The gateway that runs with this environment's ADMIN_HOST, ADMIN_PORT and ADMIN_TOKEN, if one does, on this very
 * database: it is to make the changes itself, so that they are in effect at once. Where one does not let the command
 * in, a line says so.
 */
export async function findServer(
  io: Pick<Process, 'stderr'>,
  store: Pick<DirectoryStore, 'databaseId'>,
): Promise<Server | undefined> {
  const address = adminAddress()
  if (address === undefined) return undefined
  const at = `${address.host}:${address.port}`
  const greeting = await greet(address)
  if (greeting?.status === 401) {
    io.stderr.write(
      `warning: the gateway at ${at} wants another ADMIN_TOKEN: it is not told, and sees this by itself\n`,
    )
  }
  if (greeting?.status !== 200 || textIn(greeting.body, 'database') !== (await store.databaseId())) return undefined
  return {
    async ask(method, path, what) {
      const answer = await sendJson({ ...address, timeoutMs: PATIENCE_MS }, { method, path, what }).catch(
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error)
          throw new Error(`the gateway at ${at} does not answer: ${reason}`, { cause: error })
        },
      )
      if (answer.status < 300 || what?.allow?.includes(answer.status) === true) return answer
      throw new Error(`the gateway at ${at} refuses: ${textIn(answer.body, 'detail') ?? `status ${answer.status}`}`)
    },
  }
}

/** Whether the gateway that runs here says that it is at work on another database. */
export async function isOnAnotherDatabase(store: Pick<DirectoryStore, 'databaseId'>): Promise<boolean> {
  const address = adminAddress()
  const greeting = address && (await greet(address))
  return greeting?.status === 200 && textIn(greeting.body, 'database') !== (await store.databaseId())
}

interface AdminAddress {
  readonly host: string
  readonly port: number
  readonly token: string | undefined
}

function adminAddress(): AdminAddress | undefined {
  const { ADMIN_HOST, ADMIN_PORT, ADMIN_TOKEN } = requireVariables(
    coreVariables.pick({ ADMIN_HOST: true, ADMIN_PORT: true, ADMIN_TOKEN: true }),
  )
  // A port that the system has chosen is not known here.
  if (ADMIN_PORT === 0) return undefined
  // Listening on every address is not an address to connect to.
  const host = ADMIN_HOST === '0.0.0.0' ? '127.0.0.1' : ADMIN_HOST === '::' ? '::1' : ADMIN_HOST
  return { host, port: ADMIN_PORT, token: ADMIN_TOKEN }
}

function greet(address: AdminAddress): Promise<ServerAnswer | undefined> {
  const what = { method: 'GET', path: '/api/instance' }
  return sendJson({ ...address, timeoutMs: GREETING_MS }, what).catch(() => undefined)
}

function sendJson(
  { host, port, token, timeoutMs }: AdminAddress & { readonly timeoutMs: number },
  { method, path, what: { body, headers } = {} }: { method: string; path: string; what?: Question | undefined },
): Promise<ServerAnswer> {
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host,
        port,
        method,
        path,
        timeout: timeoutMs,
        agent: false,
        headers: {
          ...headers,
          ...(token !== undefined && { Authorization: `Bearer ${token}` }),
          ...(bytes !== undefined && { 'Content-Type': 'application/json', 'Content-Length': bytes.length }),
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('error', reject).on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response
          resolve({ status, headers, body: parsed(Buffer.concat(chunks).toString()) })
        })
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
    asked.on('error', reject)
    asked.end(bytes)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function textIn(body: unknown, name: string): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const value: unknown = Reflect.get(body, name)
  return typeof value === 'string' ? value : undefined
}
