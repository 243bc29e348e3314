import type { Dispatcher } from 'undici'
import type { Owner, VirtualTime } from './virtual-time.ts'

/*
 * Stands in for undici: the gateway's own clients run over it unchanged, only that nothing leaves the process. A reply
 * comes when the virtual time says so, and to a process that is there to hear it.
 */

export interface VirtualRequest {
  readonly from: Owner
  readonly origin: string
  readonly path: string
  /** Flat name, value, … list, names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export type Connecting = { readonly kind: 'connected' | 'refused'; readonly ms: number } | { readonly kind: 'never' }

export type Replying =
  | {
      readonly kind: 'reply'
      readonly ms: number
      readonly status: number
      readonly headers: readonly string[]
      readonly body: string
    }
  /** `half`: the head comes, the rest never does. */
  | { readonly kind: 'reset' | 'half'; readonly ms: number }
  | { readonly kind: 'never' }

/** Whatever can be called. */
export interface Network {
  connect(origin: string, path: string): Connecting
  /** It was written to a connection: from now on it may be carried out, whatever becomes of whoever sent it. */
  sent(request: VirtualRequest): void
  /** It has arrived. */
  receive(request: VirtualRequest): Replying
  /** The call is over for the one who made it. */
  over(request: VirtualRequest): void
}

interface Seat {
  readonly owner: Owner
  readonly time: VirtualTime
  readonly network: Network
}

let seat: Seat | undefined

/** Clients that `build` makes belong to this process. */
export function withNetwork<Built>(of: Seat, build: () => Built): Built {
  seat = of
  try {
    return build()
  } finally {
    seat = undefined
  }
}

const WIRE_MS = 1
/** Connections that stay open for the next call. */
const MAX_IDLE = 2

class VirtualClient {
  readonly #seat: Seat
  readonly #origin: string
  readonly #connectTimeoutMs: number
  readonly #cuts = new Set<(error: Error) => void>()
  #idle = 0

  constructor(origin: string, connectTimeoutMs: number, keepsConnections: boolean) {
    if (seat === undefined) throw new Error('A client was made outside of any process')
    this.#seat = seat
    this.#origin = origin
    this.#connectTimeoutMs = connectTimeoutMs
    this.#keeps = keepsConnections
  }

  readonly #keeps: boolean

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { owner, time, network } = this.#seat
    const origin = this.#origin === '' ? String(options.origin) : this.#origin
    const request: VirtualRequest = {
      from: owner,
      origin,
      path: options.path,
      headers: headersOf(options.headers),
      body: Buffer.isBuffer(options.body) ? options.body.toString() : '',
    }
    let ended = false
    let wasSent = false
    const end = (finish: () => void): void => {
      if (ended) return
      ended = true
      this.#cuts.delete(fail)
      if (wasSent) network.over(request)
      finish()
    }
    const fail = (error: Error): void => end(() => handler.onResponseError?.(controller, error))
    const controller: Controller = {
      aborted: false,
      paused: false,
      reason: null,
      rawHeaders: null,
      rawTrailers: null,
      abort(reason) {
        if (ended) return
        controller.aborted = true
        controller.reason = reason
        fail(reason)
      },
      pause() {},
      resume() {},
    }
    const write = (): void => {
      if (ended) return
      handler.onRequestStart?.(controller, {})
      if (ended) return
      wasSent = true
      network.sent(request)
      // Of the world: what is on the wire arrives even if its sender is no more.
      time.in(WIRE_MS, () => answer(network.receive(request)))
    }
    const answer = (reply: Replying): void => {
      if (reply.kind === 'never') return
      time.toProcess(owner, reply.ms, () => {
        if (ended) return
        if (reply.kind === 'reset') return fail(errorWith('ECONNRESET'))
        const [status, headers, body] =
          reply.kind === 'reply' ? [reply.status, reply.headers, reply.body] : [200, [], 'half']
        controller.rawHeaders = [...headers]
        handler.onResponseStart?.(controller, status, Object.fromEntries(pairs(headers)))
        if (ended) return
        if (body !== '') handler.onResponseData?.(controller, Buffer.from(body))
        if (reply.kind === 'half') return
        if (this.#keeps && this.#idle < MAX_IDLE) this.#idle += 1
        end(() => handler.onResponseEnd?.(controller, {}))
      })
    }

    this.#cuts.add(fail)
    if (this.#idle > 0) {
      this.#idle -= 1
      write()
      return true
    }
    const connecting = network.connect(origin, options.path)
    if (connecting.kind === 'never' || connecting.ms >= this.#connectTimeoutMs) {
      time.toProcess(owner, this.#connectTimeoutMs, () => fail(errorWith('UND_ERR_CONNECT_TIMEOUT')))
    } else {
      const { kind, ms } = connecting
      time.toProcess(owner, ms, kind === 'connected' ? write : () => fail(errorWith('ECONNREFUSED')))
    }
    return true
  }

  destroy(): Promise<void> {
    for (const cut of this.#cuts) cut(errorWith('UND_ERR_DESTROYED'))
    return Promise.resolve()
  }
}

type Controller = { -readonly [Key in keyof Dispatcher.DispatchController]: Dispatcher.DispatchController[Key] }

interface Options {
  readonly connect?: { readonly timeout?: number }
}

export class Pool extends VirtualClient {
  constructor(origin: string, { connect }: Options) {
    super(origin, connect?.timeout ?? 10_000, true)
  }
}

export class Agent extends VirtualClient {
  constructor({ connect }: Options) {
    super('', connect?.timeout ?? 10_000, false)
  }
}

function errorWith(code: string): Error {
  return Object.assign(new Error(code), { code })
}

function headersOf(headers: Dispatcher.DispatchOptions['headers']): Map<string, string> {
  const flat = Array.isArray(headers) ? headers : Object.entries(headers ?? {}).flat()
  return new Map(pairs(flat.map(String)).map(([name, value]) => [name.toLowerCase(), value]))
}

function pairs(flat: readonly string[]): [name: string, value: string][] {
  const entries: [string, string][] = []
  for (let at = 0; at + 1 < flat.length; at += 2) entries.push([flat[at] ?? '', flat[at + 1] ?? ''])
  return entries
}
