import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { listenAt, listenSomewhere } from '../support/ports.ts'
import type { Ledger } from './ledger.ts'
import { markOf } from './surfaces.ts'

export type ResponseBehaviour =
  | { readonly kind: 'takes' | 'hangs' }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }

const takes: ResponseBehaviour = { kind: 'takes' }

/** Where Slack's response_urls lead. */
export interface ResponseServer {
  readonly host: string
  readonly url: string
  readonly behave: (behaviour: ResponseBehaviour | (() => ResponseBehaviour)) => void
  readonly refuse: () => Promise<void>
  readonly heal: () => Promise<void>
  readonly close: () => Promise<void>
}

export async function startResponseServer(ledger: Ledger): Promise<ResponseServer> {
  let behaviourNow: () => ResponseBehaviour = () => takes
  const sockets = new Set<Socket>()
  const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (text: string) => (body += text))
    req.on('error', () => {})
    res.on('error', () => {})
    req.on('end', () => {
      ledger.touchedAt = performance.now()
      const behaviour = behaviourNow()
      const refused = behaviour.kind === 'status'
      ledger.messages.push({ mark: markOf(req.url ?? '') ?? 'no mark', body, refused })
      answer(res, behaviour)
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  const port = await listenSomewhere(server)

  function answer(res: ServerResponse, behaviour: ResponseBehaviour): void {
    switch (behaviour.kind) {
      case 'takes':
        res.end('ok')
        return
      case 'status':
        res.writeHead(behaviour.status, behaviour.headers).end()
        return
      case 'hangs':
    }
  }
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    breakAll()
    await closed
  }
  return {
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/respond`,
    behave(next) {
      behaviourNow = typeof next === 'function' ? next : () => next
    },
    refuse: close,
    async heal() {
      behaviourNow = () => takes
      if (!server.listening) await listenAt(server, port)
    },
    close,
  }
}
