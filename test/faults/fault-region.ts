import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { listenAt, listenSomewhere } from '../support/ports.ts'
import { signSlack } from '../support/slack-signer.ts'
import { SIGNING_SECRET } from '../support/test-gateway.ts'
import type { Execution, Ledger } from './ledger.ts'
import { markOf } from './surfaces.ts'
import type { RegionName } from './teams.ts'

/** How a region behaves towards a request that has come whole. */
export type Behaviour =
  | { readonly kind: 'answers'; readonly afterMs: number }
  | { readonly kind: 'resets' | 'hangs_before_headers' | 'hangs_in_body' | 'half_body' | 'floods' | 'drips' }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }

export const well: Behaviour = { kind: 'answers', afterMs: 0 }

export interface FaultRegion {
  readonly port: number
  readonly address: string
  /** For every request from now on. May differ by request. */
  readonly behave: (behaviour: Behaviour | ((mark: string) => Behaviour)) => void
  /** Stops listening and breaks what is open: connections are refused from now on. */
  readonly refuse: () => Promise<void>
  /** Listens again if it does not, breaks what hangs, and answers everything at once from now on. */
  readonly heal: () => Promise<void>
  readonly close: () => Promise<void>
}

const FLOOD_BYTES = 100 * 1024 * 1024
const DRIP_MS = 200
/** The longest budget there is here: who may take longer is not waited for by Slack. */
const BUDGET_MS = 2500
/** Slack's window, as whoever verifies its signature uses it. */
const SIGNATURE_SECONDS = 300

/** A region with real sockets that writes down what reaches it. */
export async function startFaultRegion(name: RegionName, ledger: Ledger): Promise<FaultRegion> {
  let behaviourFor: (mark: string) => Behaviour = () => well
  const sockets = new Set<Socket>()
  const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('error', () => {})
    res.on('error', () => {})
    req.on('end', () => void answer(req, res, Buffer.concat(chunks)))
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  const port = await listenSomewhere(server)

  async function answer(req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<void> {
    const reachedAt = performance.now()
    ledger.touchedAt = reachedAt
    const mark = markOf(`${req.url} ${body.toString('latin1')}`) ?? 'no mark'
    const execution: Execution = {
      mark,
      region: name,
      deferred: Number(req.headers['silo-attempt']) > 1 || Number(req.headers['silo-deadline']) > BUDGET_MS,
      signed: req.method === 'GET' || isSignedNow(req.headers, body),
      reachedAt,
      takenAt: undefined,
    }
    ledger.executions.push(execution)
    const behaviour = behaviourFor(mark)
    switch (behaviour.kind) {
      case 'answers':
        if (behaviour.afterMs > 0) await sleep(behaviour.afterMs)
        if (req.socket.destroyed) return
        execution.takenAt = performance.now()
        ledger.touchedAt = execution.takenAt
        res.setHeader('Content-Type', 'application/json')
        res.end(JSON.stringify({ text: `taken: ${mark}` }))
        return
      case 'status':
        res.writeHead(behaviour.status, behaviour.headers).end()
        return
      case 'resets':
        req.socket.resetAndDestroy()
        return
      case 'hangs_before_headers':
        return
      case 'hangs_in_body':
        res.writeHead(200, { 'Content-Length': '1000' })
        res.write('{"text":"half of it')
        return
      case 'half_body':
        res.writeHead(200, { 'Content-Length': '1000' })
        res.write('{"text":"half of it', () => req.socket.destroy())
        return
      case 'floods':
        res.writeHead(200)
        await flood(res)
        return
      case 'drips':
        res.writeHead(200, { 'Content-Length': '100000' })
        while (!req.socket.destroyed) {
          res.write('.')
          await sleep(DRIP_MS)
        }
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
    port,
    address: `http://127.0.0.1:${port}`,
    behave(behaviour) {
      behaviourFor = typeof behaviour === 'function' ? behaviour : () => behaviour
    },
    refuse: close,
    async heal() {
      behaviourFor = () => well
      if (server.listening) breakAll()
      else await listenAt(server, port)
    },
    close,
  }
}

async function flood(res: ServerResponse): Promise<void> {
  const chunk = Buffer.alloc(65_536, 'x')
  for (let bytes = 0; bytes < FLOOD_BYTES && !res.destroyed; bytes += chunk.length) {
    if (!res.write(chunk)) {
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          res.off('drain', goOn).off('close', goOn)
          resolve()
        }
        res.once('drain', goOn).once('close', goOn)
      })
    }
  }
  res.end()
}

function isSignedNow(headers: IncomingHttpHeaders, body: Buffer): boolean {
  const seconds = Number(headers['x-slack-request-timestamp'])
  if (!(Math.abs(Date.now() / 1000 - seconds) <= SIGNATURE_SECONDS)) return false
  const expected = signSlack({ secret: SIGNING_SECRET, body, now: seconds * 1000 })
  return headers['x-slack-signature'] === expected['x-slack-signature']
}
