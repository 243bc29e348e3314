import { request, type IncomingHttpHeaders } from 'node:http'

export interface ServerSentEvent {
  readonly event: string
  readonly data: unknown
}

/** Somebody who listens to server-sent events. */
export interface Listening {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Everything that came, in order, and what of it are events. */
  readonly text: () => string
  readonly events: () => ServerSentEvent[]
  /** The data of the events of one name. */
  readonly data: (event: string) => unknown[]
  readonly ended: () => boolean
  readonly leave: () => void
}

/** Asks for a stream; resolves with the head of the answer. */
export function listen(port: number, path: string, headers: Record<string, string> = {}): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      let text = ''
      let ended = false
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('error', () => {}).on('close', () => (ended = true))
      const events = () => text.split('\n\n').flatMap(eventIn)
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text: () => text,
        events,
        data: (name) => events().flatMap(({ event, data }) => (event === name ? [data] : [])),
        ended: () => ended,
        leave: () => asked.destroy(),
      })
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** What comes up to its end is not whole, and no event yet. */
function eventIn(block: string, index: number, blocks: readonly string[]): ServerSentEvent[] {
  const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
  return event === undefined || data === undefined || index === blocks.length - 1
    ? []
    : [{ event, data: JSON.parse(data) }]
}
