import { createServer, type IncomingMessage } from 'node:http'
import express, { type NextFunction, type Request, type Response } from 'express'
import type { Clock } from '../clock.ts'
import { regionMiddleware, type ForwardedRequest, type SigningKeys } from '../region-kit/index.ts'
import { answerTo, type Answer } from './answer.ts'

/** How a region serves what it is asked. */
export interface Behaviour {
  /** Milliseconds between a verified request and its answer. Infinity: there is none until it behaves otherwise. */
  readonly delayMs: number
  /** The status of every answer, instead of a real one. */
  readonly failWith: number | undefined
}

export interface Region {
  readonly name: string
  /** `http://127.0.0.1:port`, the same after every `switchOn`. */
  readonly address: string
  readonly behaviour: Behaviour
  readonly isOn: boolean
  /** Holds for requests that are verified from now on, and for those that have hung until now. */
  behave(change: Partial<Behaviour>): void
  /** Breaks every connection; new ones are refused. */
  switchOff(): Promise<void>
  /** Rejects when somebody else has taken the port meanwhile. */
  switchOn(): Promise<void>
  close(): Promise<void>
}

export interface RegionOptions {
  readonly name: string
  /** Default: a free one. */
  readonly port?: number
  readonly keys: SigningKeys
  readonly clock: Clock
  readonly behaviour?: Partial<Behaviour>
  /** Told of every request that is answered, and the status. */
  readonly onAnswer?: (request: ForwardedRequest, status: number) => void
}

/**
 * The reference region silo on loopback: takes only what the gateway has signed for it, and answers each of Slack's
 * surfaces as a product would.
 */
export async function startRegion({
  name,
  port = 0,
  keys,
  clock,
  behaviour: given,
  onAnswer,
}: RegionOptions): Promise<Region> {
  let behaviour: Behaviour = { delayMs: 0, failWith: undefined, ...given }
  const hanging = new Set<NextFunction>()

  const app = express().disable('x-powered-by').disable('etag')
  app.use(regionMiddleware({ keys, region: name, now: () => clock.now() }))
  app.use((_req: Request, res: Response, next: NextFunction) => {
    if (behaviour.delayMs === 0) return next()
    if (behaviour.delayMs < Infinity) return void res.once('close', clock.after(behaviour.delayMs, next))
    hanging.add(next)
    res.once('close', () => hanging.delete(next))
  })
  app.use((req, res) => {
    if (!isForwarded(req)) throw new TypeError('Only verified requests are answered')
    const answer = behaviour.failWith === undefined ? answerTo(name, req) : { status: behaviour.failWith }
    send(res, answer)
    onAnswer?.(req, answer.status)
  })

  const server = createServer(app)
  const listen = (on: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(on, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })

  // One switch after the other: a server that is still closing cannot listen again.
  let lastSwitch: Promise<void> = Promise.resolve()
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const done = lastSwitch.then(step)
    lastSwitch = done.catch(() => undefined)
    return done
  }
  const off = (): Promise<void> => inTurn(async () => void (server.listening && (await stop())))

  await listen(port)
  const taken = server.address()
  if (taken === null || typeof taken === 'string') throw new TypeError('The region does not listen on a port')

  return {
    name,
    address: `http://127.0.0.1:${taken.port}`,
    get behaviour() {
      return behaviour
    },
    get isOn() {
      return server.listening
    },
    behave(change) {
      behaviour = { ...behaviour, ...change }
      if (behaviour.delayMs === Infinity) return
      for (const answer of hanging) answer()
      hanging.clear()
    },
    switchOff: off,
    switchOn: () => inTurn(async () => void (server.listening || (await listen(taken.port)))),
    close: off,
  }
}

function isForwarded<Req extends IncomingMessage>(req: Req): req is Req & ForwardedRequest {
  return 'silo' in req
}

function send(res: Response, { status, contentType, body }: Answer): void {
  if (contentType !== undefined) res.type(contentType)
  res.status(status).end(body)
}
