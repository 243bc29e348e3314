import { Redis as Client, type RedisOptions } from 'ioredis'
import type { Clock } from '../clock.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Log } from '../telemetry/log.ts'

/**
 * In front of every key and channel. Installations that share a server take different databases
 * (`redis://host/1`, `redis://host/2`); channels know of no databases, so theirs carry the number.
 */
const PREFIX = 'silo:'
/** How long a webhook waits for what it can do without: a hundred times what it takes, a twentieth of its budget. */
const COMMAND_MS = 100
/** Needs what the others need: a Redis that is full, a replica, one that is too old or allows no scripts is of no use. */
const LOOK = `return redis.call('SET', KEYS[1], '', 'PX', ARGV[1], 'NX', 'GET')`
/** How often it is looked whether Redis answers: so long does it take to notice that it is back. */
const LOOK_MS = 1000
/** So many looks in a row without an answer, and the connection itself is taken for dead. */
const DEAD_AFTER_LOOKS = 5
/** How long the start waits for Redis, and a connection for its beginning. */
const CONNECT_MS = 2000
/** Waits between attempts to connect: doubled from the first to the longest. */
const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 2000

/** Redis, as whoever can do without it for a while needs it: quick to answer, or quick to say that it does not. */
export interface Redis {
  /**
   * What `command` resolves to. Rejects when Redis says no or has not answered within 100 ms, and from then on at once,
   * until it is seen to work again: so a Redis that hangs is waited for once and not by each webhook.
   */
  ask<Reply>(command: (client: Client) => Promise<Reply>): Promise<Reply>
  /** Tells whoever listens. Also tried while `ask` rejects, since a Redis that is full still does this. */
  publish(channel: string, text: string): Promise<void>
  /** `missed` is called when messages may have been lost, once there will be messages again. Returns the end of it. */
  subscribe(channel: string, listener: ChannelListener): () => void
  /** Calls `then` each time that Redis works again. */
  onHealed(then: () => void): void
  key(name: string): string
  channel(name: string): string
  /** Waits for what is under way, which is not long. */
  close(): Promise<void>
}

export interface ChannelListener {
  heard(text: string): void
  missed(): void
}

export interface RedisParts {
  /** `redis://` or `rediss://`; may hold a password, which is never told. */
  readonly url: string
  readonly clock: Clock
  readonly alarms: Alarms
  readonly log: Log
  readonly counters: Counters
}

/** Connects, and goes on doing so for as long as it takes; resolves when connected, or when that does not work at once. */
export async function openRedis({ url, clock, alarms, log, counters }: RedisParts): Promise<Redis> {
  const commands = new Client(url, OPTIONS)
  // Its own: a connection that listens may do nothing else.
  const ears = new Client(url, OPTIONS)
  const listeners = new Map<string, Set<ChannelListener>>()
  const underWay = new Set<Promise<unknown>>()
  const healed: (() => void)[] = []
  const lookers = [
    { connection: commands, look: () => commands.eval(LOOK, 1, `${PREFIX}look`, LOOK_MS), unanswered: 0 },
    { connection: ears, look: () => (lost ? listenAgain() : ears.ping()), unanswered: 0 },
  ]
  let failing = false
  let closing = false
  let cancelLook = (): void => {}
  /** Whether messages may have been lost since everybody has begun to listen. */
  let lost = false

  for (const connection of [commands, ears]) {
    // Without a listener this would end the process. Each says why no connection comes about.
    connection.on('error', unusable)
  }
  ears.on('close', () => (lost = true))
  ears.on('ready', () => void bounded(listenAgain).catch(() => {}))
  ears.on('message', (channel: string, text: string) => {
    for (const listener of listeners.get(channel) ?? []) listener.heard(text)
  })
  commands.on('ready', () => {
    if (failing) void lookNow()
  })

  const connecting = Promise.all([commands.connect(), ears.connect()])
  await inTime(connecting, CONNECT_MS).catch(unusable)
  lookLater()

  function unusable(error: unknown): void {
    if (closing) return
    failing = true
    alarms.raise('warn', 'redis', { error: withoutPassword(error) }, 'Redis cannot be used: each gateway is on its own')
  }

  function bounded<Reply>(command: () => Promise<Reply>): Promise<Reply> {
    const answered = inTime(command(), COMMAND_MS).catch((error: unknown) => {
      counters.count('redis_failures_total', {})
      unusable(error)
      throw error
    })
    const ended = answered.then(
      () => void underWay.delete(ended),
      () => void underWay.delete(ended),
    )
    underWay.add(ended)
    return answered
  }

  /** Rejects after `ms`, but with what is already here looked at: a process that stood still finds timers due first. */
  function inTime<Reply>(work: Promise<Reply>, ms: number): Promise<Reply> {
    const late = Promise.withResolvers<never>()
    const cancel = clock.after(ms, () => setImmediate(() => late.reject(new Error(`no answer within ${ms} ms`))))
    return Promise.race([work, late.promise]).finally(cancel)
  }

  function lookLater(): void {
    cancelLook = clock.after(LOOK_MS, () => void lookNow())
  }

  async function lookNow(): Promise<void> {
    cancelLook()
    const looks = await Promise.all(
      lookers.map(async (looker) => {
        const answer = await bounded(looker.look).then(
          () => 'well' as const,
          (error: unknown) => (isRefusal(error) ? 'refused' : 'silent'),
        )
        const { connection } = looker
        const mightAnswer = connection.status === 'ready' || connection.status === 'connect'
        looker.unanswered = answer === 'silent' && mightAnswer ? looker.unanswered + 1 : 0
        if (looker.unanswered >= DEAD_AFTER_LOOKS) connection.disconnect(true)
        return answer
      }),
    )
    if (closing) return
    if (failing && looks.every((answer) => answer === 'well')) {
      failing = false
      log.info({}, 'Redis works again')
      for (const then of healed) then()
    }
    cancelLook()
    lookLater()
  }

  async function listenAgain(): Promise<void> {
    const wasLost = lost
    // If the connection is lost meanwhile, that is said anew.
    lost = false
    try {
      if (listeners.size > 0) await ears.subscribe(...listeners.keys())
    } catch (error) {
      lost = true
      throw error
    }
    if (wasLost) for (const listener of [...listeners.values()].flatMap((some) => [...some])) listener.missed()
  }

  /** The library puts what it sent into its errors, `AUTH` among it, so only the words are told, and not all of them. */
  function withoutPassword(error: unknown): string {
    const { password } = commands.options
    // Where a name has several addresses, and none of them answers, there are no words but a code.
    const message = error instanceof Error ? error.message || Reflect.get(error, 'code') : error
    return password === undefined || password === '' ? String(message) : String(message).replaceAll(password, '***')
  }

  return {
    ask(command) {
      return failing ? Promise.reject(new Error('Redis cannot be used')) : bounded(() => command(commands))
    },
    async publish(channel, text) {
      await bounded(() => commands.publish(channel, text))
    },
    subscribe(channel, listener) {
      const known = listeners.get(channel)
      listeners.set(channel, (known ?? new Set()).add(listener))
      // Where that fails, the next look tries it again.
      if (known === undefined && ears.status === 'ready')
        bounded(() => ears.subscribe(channel)).catch(() => (lost = true))
      return () => {
        const left = listeners.get(channel)
        if (left?.delete(listener) !== true || left.size > 0) return
        listeners.delete(channel)
        if (ears.status === 'ready') void ears.unsubscribe(channel).catch(unusable)
      }
    },
    onHealed: (then) => void healed.push(then),
    key: (name) => `${PREFIX}${name}`,
    channel: (name) => `${PREFIX}${commands.options.db ?? 0}:${name}`,
    async close() {
      closing = true
      cancelLook()
      if (!failing) await Promise.all(underWay)
      await Promise.all([commands, ears].map(ended))
    },
  }
}

const OPTIONS = {
  lazyConnect: true,
  // What cannot be asked now is not asked at all: nothing is carried out after whoever wanted it has gone on without.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: true,
  // Done here, since what was missed has to be told as well.
  autoResubscribe: false,
  connectTimeout: CONNECT_MS,
  // How long a server that hangs may keep a connection from closing.
  disconnectTimeout: COMMAND_MS,
  retryStrategy: (attempts: number) => Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LONGEST_RETRY_MS),
} satisfies RedisOptions

/** Redis has answered, though not with what was asked for. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

function ended(connection: Client): Promise<void> {
  return new Promise((resolve) => {
    connection.once('end', resolve)
    // Between two attempts there is nothing to end, and the library does not say that it did.
    if (connection.status === 'end' || connection.status === 'reconnecting') resolve()
    connection.disconnect()
  })
}
