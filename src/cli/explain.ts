import { readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { z } from 'zod'
import { systemClock } from '../clock.ts'
import { readConfiguration } from '../config/configuration.ts'
import { coreVariables } from '../config/environment.ts'
import { ConfigurationError, requireVariables } from '../config/required.ts'
import { textIn } from '../config/read-variables.ts'
import { openDirectory, type DirectoryStore } from '../directory/store.ts'
import { explain } from '../explain/explain.ts'
import { explanationOut, type ExplainIn, type Explanation } from '../explain/explanation.ts'
import { providers } from '../providers/index.ts'
import { steered } from '../steering/region-overrides.ts'
import { createSteering } from '../steering/steering.ts'
import { createAlarms } from '../telemetry/alarm.ts'
import { silentLog } from '../telemetry/log.ts'
import type { ExitCode, Process } from './process.ts'
import { providersAlone } from './providers-alone.ts'
import { isOnAnotherDatabase } from './server.ts'
import { withDirectory } from './stores.ts'

export interface ExplainOptions {
  /** The file that holds it. */
  readonly body: string
  readonly path: string
  /** Default: by what the body looks like. */
  readonly contentType?: string
  readonly app?: string
  readonly json?: true
}

/** Prints what would become of a webhook: as the gateway that runs here would decide, or else as one would. */
export async function explainWebhook(io: Process, { path, app, json, ...given }: ExplainOptions): Promise<ExitCode> {
  const body = textIn(await readFile(given.body), given.body)
  const isJson = body.trimStart().startsWith('{')
  const content_type = given.contentType ?? (isJson ? 'application/json' : 'application/x-www-form-urlencoded')
  const asked: ExplainIn = { path, content_type, body, ...(app !== undefined && { app_id: app }) }
  const byGateway = (await isAnotherHere()) ? undefined : await askGateway(asked)
  const explanation = byGateway ?? (await explainAlone(asked))
  if (json === true) io.stdout.write(`${JSON.stringify(explanation)}\n`)
  else io.stdout.write(`${explanation.lines.join('\n')}\n`)
  if (byGateway === undefined) {
    io.stderr.write('No gateway runs here, so breakers and what waits in mailboxes are not looked at.\n')
  }
  return 0
}

/** One whose database is away may well be ours, and knows what to do without it. */
async function isAnotherHere(): Promise<boolean> {
  return await withDirectory(isOnAnotherDatabase).catch(() => false)
}

/** A gateway that has not decided within this time has lost its database. */
const PATIENCE_MS = 10_000

/** Undefined: nothing listens at the admin address. Rejects when what is there does not explain. */
async function askGateway(asked: ExplainIn): Promise<Explanation | undefined> {
  const { ADMIN_HOST, ADMIN_PORT, ADMIN_TOKEN } = requireVariables(
    coreVariables.pick({ ADMIN_HOST: true, ADMIN_PORT: true, ADMIN_TOKEN: true }),
  )
  // Listening on every address is not an address to connect to, and a port that is to be found out is none.
  const host = ADMIN_HOST === '0.0.0.0' ? '127.0.0.1' : ADMIN_HOST === '::' ? '::1' : ADMIN_HOST
  if (ADMIN_PORT === 0) return undefined
  const answer = await new Promise<{ status: number; text: string } | undefined>((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      ...(ADMIN_TOKEN !== undefined && { Authorization: `Bearer ${ADMIN_TOKEN}` }),
    }
    const request = httpRequest(
      { host, port: ADMIN_PORT, method: 'POST', path: '/api/explain', headers, timeout: PATIENCE_MS, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('error', reject).on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      },
    )
    request.on('timeout', () => request.destroy(new Error(`the gateway has not answered within ${PATIENCE_MS} ms`)))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve(undefined)
      else reject(error)
    })
    request.end(JSON.stringify(asked))
  })
  if (answer === undefined) return undefined
  const read = answer.status === 200 ? explanationOut.safeParse(jsonIn(answer.text)) : undefined
  if (read?.success === true) return read.data
  const problem = z.object({ detail: z.string() }).safeParse(jsonIn(answer.text))
  throw new Error(
    `${host}:${ADMIN_PORT} does not explain: ${problem.data?.detail ?? `it answers ${answer.status}`} (ADMIN_HOST, ADMIN_PORT and ADMIN_TOKEN say whom to ask)`,
  )
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** On the store itself. Nothing is carried out, as a gateway that was opened would do with what waits. */
async function explainAlone(asked: ExplainIn): Promise<Explanation> {
  const reading = readConfiguration({ definitions: providers })
  if (!reading.ok) throw new ConfigurationError(reading.faults)
  const { configuration } = reading
  const { settings, topology: file } = configuration
  const clock = systemClock
  const alarms = createAlarms({ clock, log: silentLog })
  const store = await openDirectory(settings.DATABASE_URL, { clock })
  const steering = createSteering({ store: store.steering, clock, alarms, onRegions: () => {} })
  try {
    await steering.start()
    return await explain(asked, {
      providers: providersAlone(configuration, store.identities),
      directory: unremembered(store),
      inspect: (key) => store.inspect(key),
      file,
      topology: steered(file, steering.regions()),
      overrides: steering.regions(),
      shed: () => steering.shed().rules,
      mailboxes: { mustWait: () => false },
      breaker: () => undefined,
      rateLimitPerMinute: settings.RATE_LIMIT_PER_MINUTE,
      maxBodyBytes: settings.MAX_BODY_BYTES,
    })
  } finally {
    steering.stop()
    await store.close()
  }
}

/** The directory of a process that has only just begun. */
function unremembered(store: Pick<DirectoryStore, 'find'>): Parameters<typeof explain>[1]['directory'] {
  return {
    async find(key) {
      const { installation } = await store.find(key)
      return installation === undefined ? { verdict: 'absent' } : { verdict: 'found', installation, ageMs: 0 }
    },
  }
}
