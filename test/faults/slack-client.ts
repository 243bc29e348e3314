import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Heard, Try } from './ledger.ts'
import type { Webhook } from './surfaces.ts'

/** Longer than anything may take, so that what takes too long is seen to. */
const PATIENCE_MS = 15_000

export interface SendOptions {
  /** Sends the body in pieces over this long. */
  readonly slowlyOverMs?: number
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
  const startedAt = performance.now()
  const heard = await new Promise<Heard | undefined>((resolve) => {
    const sending = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body: text }))
      res.on('error', () => resolve(undefined))
      res.on('close', () => resolve(undefined))
    })
    sending.on('error', () => resolve(undefined))
    sending.setTimeout(PATIENCE_MS, () => sending.destroy())
    const { slowlyOverMs = 0, neverEnds = false } = options
    if (slowlyOverMs === 0) sending.end(bytes)
    else void drip(sending, neverEnds ? bytes.subarray(0, -1) : bytes, { overMs: slowlyOverMs, ends: !neverEnds })
  })
  return { startedAt, endedAt: performance.now(), heard }
}

async function drip(
  sending: ReturnType<typeof request>,
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
