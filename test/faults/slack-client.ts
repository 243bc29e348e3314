import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Heard, Try } from './ledger.ts'
import type { Webhook } from './surfaces.ts'

/** Longer than anything may take, so that what takes too long is seen to. */
const PATIENCE_MS = 15_000

export interface SendOptions {
  /** Where to, if not where Slack knocks. */
  readonly port?: number
  /** Sends the body in pieces over this long. */
  readonly slowlyOverMs?: number
  /** The head as well. */
  readonly headToo?: boolean
  /** Leaves out the end of the body. */
  readonly neverEnds?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends one webhook on a connection of its own, as Slack does, and takes the time from the first byte to the last. */
export async function sendWebhook(port: number, webhook: Webhook, options: SendOptions = {}): Promise<Try> {
  const { method, path, body } = webhook
  const bytes = Buffer.from(body)
  const headers = {
    ...webhook.headers,
    ...options.headers,
    ...(method === 'POST' && { 'Content-Length': String(bytes.length) }),
  }
  const { slowlyOverMs = 0, neverEnds = false, headToo = false } = options
  const startedAt = performance.now()
  let brokeBy: string | undefined
  const heard = await new Promise<Heard | undefined>((resolve) => {
    const broke = (by: string): void => {
      brokeBy = by
      resolve(undefined)
    }
    if (headToo) {
      const lines = Object.entries({ Host: 'gateway', Connection: 'close', ...headers }).map((pair) => pair.join(': '))
      const head = Buffer.from([`${method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
      const socket = connect(port, '127.0.0.1')
      readReply(socket, resolve)
      void drip(socket, Buffer.concat([head, bytes]), { overMs: slowlyOverMs, ends: false })
      return
    }
    const sending = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      const requestId = res.headers['x-request-id']?.toString()
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body: text, requestId }))
      res.on('error', ({ message }) => broke(message))
      res.on('close', () => resolve(undefined))
    })
    sending.on('error', ({ message }) => broke(message))
    sending.setTimeout(PATIENCE_MS, () => sending.destroy(new Error(`nothing within ${PATIENCE_MS} ms`)))
    if (slowlyOverMs === 0) sending.end(bytes)
    else void drip(sending, neverEnds ? bytes.subarray(0, -1) : bytes, { overMs: slowlyOverMs, ends: !neverEnds })
  })
  return { startedAt, endedAt: performance.now(), heard, ...(heard === undefined && { brokeBy }) }
}

/** What is heard on a connection that the other end closes after its answer. */
function readReply(socket: Socket, tell: (heard: Heard | undefined) => void): void {
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => tell(undefined))
  socket.setTimeout(PATIENCE_MS, () => socket.destroy())
  socket.on('close', () => {
    const [, status, body = ''] = /^HTTP\/1\.1 (\d{3}) [^]*?\r\n\r\n([^]*)$/.exec(text) ?? []
    tell(status === undefined ? undefined : { status: Number(status), body })
  })
}

async function drip(
  sending: Writable,
  bytes: Buffer,
  { overMs, ends }: { overMs: number; ends: boolean },
): Promise<void> {
  const pieces = 10
  for (let piece = 0; piece < pieces; piece++) {
    if (sending.destroyed) return
    const [from, to] = [piece, piece + 1].map((at) => Math.floor((at * bytes.length) / pieces))
    sending.write(bytes.subarray(from, to))
    await sleep(overMs / pieces)
  }
  if (ends) sending.end()
}
