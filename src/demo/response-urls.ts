import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Clock } from '../clock.ts'
import { workspace } from './slack-simulator.ts'

/** How long Slack listens. https://docs.slack.dev/interactivity/handling-user-interaction/#message_responses */
const HEARD_FOR_MS = 30 * 60_000

/** What was posted to a response_url, so many milliseconds after Slack had given it out. */
export interface LateAnswer {
  readonly url: string
  /** What it was given out with. */
  readonly what: string
  readonly body: string
  readonly ms: number
}

/** The response_urls of a Slack that hears what is posted there. */
export interface ResponseUrls {
  /** `host:port`, the same for all of them. */
  readonly host: string
  /** A new one, to be sent along with a command or a click. Without `what`, nobody is told of what is posted there. */
  issue(surface: 'commands' | 'actions', what?: string): string
  close(): Promise<void>
}

/** Listens on a free port of loopback. What nobody was given, or too long ago, is answered 404. */
export async function listenAtResponseUrls(
  clock: Clock,
  onAnswer: (answer: LateAnswer) => void,
): Promise<ResponseUrls> {
  const issued = new Map<string, { what: string | undefined; at: number }>()
  const forgetOld = (): void => {
    for (const [path, { at }] of issued) {
      if (clock.monotonic() - at < HEARD_FOR_MS) return
      issued.delete(path)
    }
  }
  const server = createServer((req, res) => {
    forgetOld()
    const path = req.url ?? ''
    const known = issued.get(path)
    if (req.method !== 'POST' || known === undefined) {
      res.writeHead(404).end()
      return
    }
    const ms = clock.monotonic() - known.at
    const hear = async (): Promise<void> => {
      const body = await text(req)
      res.end('ok')
      if (known.what !== undefined) onAnswer({ url: base + path, what: known.what, body, ms })
    }
    // It went away in the middle of what it said.
    hear().catch(() => res.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const taken = server.address()
  if (taken === null || typeof taken === 'string') throw new TypeError('The response_urls do not listen on a port')
  const host = `127.0.0.1:${taken.port}`
  const base = `http://${host}`

  return {
    host,
    issue(surface, what) {
      forgetOld()
      const path = `/${surface}/${workspace.teamId}/170/${randomBytes(8).toString('hex')}`
      issued.set(path, { what, at: clock.monotonic() })
      return base + path
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
