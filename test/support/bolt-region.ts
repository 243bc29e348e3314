import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { App, ExpressReceiver, HTTPReceiver, LogLevel, type Logger, type Receiver } from '@slack/bolt'
import express from 'express'
import type { RegionMiddleware } from '../../src/region-kit/index.ts'

export type ReceiverKind = 'ExpressReceiver' | 'HTTPReceiver'

export interface BoltRegion {
  readonly app: App
  readonly url: string
  /** What Bolt warned of or failed with. */
  readonly complaints: string[]
  close(): Promise<void>
}

/**
 * A Slack Bolt app as its users write it, on a free port of loopback. Nothing of it calls Slack: `authorize` hands out
 * a token that no listener uses.
 */
export async function startBoltRegion(options: {
  readonly kind: ReceiverKind
  readonly signingSecret: string
  readonly endpoints: readonly string[]
  /** Stands in front of Bolt, as the region kit describes. */
  readonly guard?: RegionMiddleware
}): Promise<BoltRegion> {
  const complaints: string[] = []
  const logger = loggerInto(complaints)
  const { receiver, listener } = mount({ ...options, logger })
  const app = new App({
    receiver,
    logger,
    authorize: () => Promise.resolve({ botToken: 'xoxb-unused', botId: 'B0SILO00001', botUserId: 'U0BOT000001' }),
  })
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    app,
    url: `http://127.0.0.1:${port}`,
    complaints,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Bolt takes several endpoints as an object in one receiver and as a list in the other. */
function mount({
  kind,
  guard,
  endpoints,
  ...options
}: {
  readonly kind: ReceiverKind
  readonly guard?: RegionMiddleware
  readonly endpoints: readonly string[]
  readonly signingSecret: string
  readonly logger: Logger
}): { receiver: Receiver; listener: RequestListener } {
  if (kind === 'ExpressReceiver') {
    const app = express()
    if (guard !== undefined) app.use(guard)
    return {
      receiver: new ExpressReceiver({ ...options, app, endpoints: Object.fromEntries(endpoints.entries()) }),
      listener: app,
    }
  }
  const receiver = new HTTPReceiver({ ...options, endpoints: [...endpoints] })
  const listener: RequestListener =
    guard === undefined
      ? (req, res) => receiver.requestListener(req, res)
      : (req, res) => guard(req, res, () => receiver.requestListener(req, res))
  return { receiver, listener }
}

function loggerInto(complaints: string[]): Logger {
  const ignore = (): void => {}
  const complain = (...words: unknown[]): void => void complaints.push(words.map(String).join(' '))
  return {
    debug: ignore,
    info: ignore,
    warn: complain,
    error: complain,
    setLevel: ignore,
    getLevel: () => LogLevel.WARN,
    setName: ignore,
  }
}
