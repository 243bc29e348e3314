import { setImmediate as nextTurn } from 'node:timers/promises'
import { createLateAnswers, type LateAnswers, type LateAnswersParts } from '../../../src/delivery/late-answers.ts'
import type { LateCase } from '../../../src/delivery/late-case.ts'
import type { PostResult } from '../../../src/delivery/post-answer.ts'
import type { RegionResult } from '../../../src/dispatch/region-result.ts'
import type { LateMessage } from '../../../src/provider.ts'
import { createSealer, type Sealer } from '../../../src/spool/seal.ts'
import type { OwedAnswers } from '../../../src/spool/spool.ts'
import { directSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { connectSpool, type SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { contentDigest } from '../../../src/wire/signature.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

export const SECRET_URL = 'https://hooks.example.com/commands/T1/2/bearer-secret'

/** What a region says to its attempts, one after the other; the last is said to all that follow. */
export interface RegionScript {
  readonly idempotent?: boolean
  /** `afterMs`: how long it takes. `never`: the call does not end while anybody watches. */
  readonly says: readonly Said[]
}

export type Said = {
  readonly result: RegionResult | 'never' | 'fault'
  readonly afterMs?: number
  /** How long it waits for its turn first. */
  readonly queuedMs?: number
}

export interface WorldOptions {
  readonly regions: Readonly<Record<string, RegionScript>>
  /** What becomes of the posts, one after the other; the last, or `posted`, of all that follow. */
  readonly posts?: readonly PostResult[]
  /** How long each post takes. */
  readonly postMs?: number
  readonly random?: () => number
}

/** A process: its connection to the store, and whether it is still there. */
export interface Instance {
  readonly late: LateAnswers
  /** It is gone from one moment to the next: nothing it does has an effect any more, and nothing ever answers it. */
  crash(): void
  /** It has not renewed its lease in time, though it may have since. */
  lapse(): void
}

/** What happens next at the border of an instance. */
export type Step = 'go' | 'crash_before' | 'crash_after' | 'reject'

export interface World {
  readonly clock: ManualClock
  /** How many answers are owed, by whomever. */
  stored(): number
  /** What is stored of the one that is. */
  storedBytes(): Buffer
  /** Puts what was asked in the place of what is to be said, as somebody could who can write to the store. */
  swapStored(): void
  /** Everything that crossed a border, in order: store calls, asks and posts. */
  readonly events: string[]
  /** Attempts that reached a region and may have been carried out. */
  readonly executions: { region: string; attempt: number }[]
  readonly asked: { region: string; attempt: number; at: number }[]
  readonly posted: { text: string; at: number; result: PostResult['kind'] }[]
  /** Messages that were heard, or may have been. */
  heard(): string[]
  readonly lines: { level: string; fields: Record<string, unknown>; message: string }[]
  counted(): Record<string, number>
  /** What the operator may change. */
  readonly config: {
    allowed: boolean
    provider: boolean
    unsignable: boolean
    sealer: Sealer
    faults: string[]
    /** Why a region cannot be asked again. */
    gone: Record<string, 'moved' | 'held' | 'directory_away'>
  }
  /** Decides on each step of each instance; `go` unless a test says otherwise. */
  next: (name: string) => Step
  readonly what: LateCase
  start(): Instance
  /** The first attempts, as the webhook's own dispatch makes them. */
  calls(instance: Instance): Parameters<LateAnswers['follow']>[1]
  /** Lets time pass, each timer at its own time, with everything that follows from it. */
  run(ms: number): Promise<void>
  /** The machine's processes stand still so long: each timer that fell due meanwhile runs only then. */
  suspend(ms: number): Promise<void>
  /** Moves the wall clock only. */
  stepWallClock(ms: number): void
}

const key = { id: 'k1', key: Buffer.alloc(32, 1) }

/** The store, for any number of worlds one after the other. */
export const openStore = (): Promise<SpoolConnection> => connectSpool(':memory:', { waitMs: 0 })

export function createWorld(
  connection: SpoolConnection,
  { regions, posts = [], postMs = 0, random = () => 0.5 }: WorldOptions,
): World {
  const manual = createManualClock()
  let wallOffset = 0
  let suspendedMs = 0
  const dues = new Set<{ at: number }>()
  const clock: ManualClock = {
    ...manual,
    now: () => manual.now() + suspendedMs + wallOffset,
    monotonic: () => manual.monotonic() + suspendedMs,
    after(ms, then) {
      const due = { at: manual.monotonic() + Math.max(0, ms) }
      dues.add(due)
      const cancel = manual.after(ms, () => {
        dues.delete(due)
        then()
      })
      return () => {
        dues.delete(due)
        cancel()
      }
    },
  }
  const { database, tables } = connection
  tables.clear()
  let instances = 0
  const counters = createCounters()
  const body = Buffer.from('command=%2Fdeploy')
  const attempts = new Map<string, number>()
  const killers = new WeakMap<Instance, (region: string, attempt: number) => Promise<RegionResult>>()

  const world: World = {
    clock,
    stored: () => Number(database.prepare('SELECT count(*) AS rows FROM owed_answers').get()?.['rows']),
    storedBytes() {
      const { request, message } = database.prepare('SELECT request, message FROM owed_answers').get() ?? {}
      return Buffer.concat([request, message].map((bytes) => (bytes instanceof Uint8Array ? bytes : Buffer.of())))
    },
    swapStored: () => database.exec('UPDATE owed_answers SET message = request'),
    events: [],
    executions: [],
    asked: [],
    posted: [],
    heard: () =>
      world.posted.filter(({ result }) => result === 'posted' || result === 'unknown').map(({ text }) => text),
    lines: [],
    counted: () => Object.fromEntries([...counters.read()].map(([name, count]) => [/"(.*)"/.exec(name)?.[1], count])),
    config: { allowed: true, provider: true, unsignable: false, sealer: createSealer([key]), faults: [], gone: {} },
    next: () => 'go',
    what: {
      provider: 'test',
      integration: '7',
      to: SECRET_URL,
      kept: {
        what: {
          delivery: '01LATE',
          method: 'POST',
          target: '/commands/',
          headers: ['Content-Type', 'application/x-www-form-urlencoded'],
          body,
          digest: contentDigest(body),
          receivedAt: clock.now(),
          cookies: false,
        },
        signedBy: '',
      },
      regions: Object.keys(regions).map((name) => ({ name, organizations: [{ id: '10', epoch: 0 }] })),
    },
    start,
    calls(instance) {
      const call = killers.get(instance)
      if (call === undefined) throw new Error('Not an instance of this world')
      return world.what.regions.map((region) => {
        const result = call(region.name, 1)
        // As in a dispatch: where nothing is owed, nobody may be listening.
        result.catch(() => {})
        return { region, result }
      })
    },
    async run(ms) {
      const end = manual.monotonic() + ms
      for (;;) {
        for (let turn = 0; turn < 3; turn++) await nextTurn()
        const next = Math.min(...[...dues].map(({ at }) => at))
        if (next > end) break
        clock.advance(next - manual.monotonic())
      }
      clock.advance(end - manual.monotonic())
      await nextTurn()
    },
    async suspend(ms) {
      const due = [...dues].map(({ at }) => at - manual.monotonic()).filter((inMs) => inMs <= ms)
      suspendedMs += ms - Math.max(0, ...due)
      await world.run(Math.max(0, ...due))
    },
    stepWallClock(ms) {
      wallOffset += ms
    },
  }
  return world

  function start(): Instance {
    let dead = false
    let lapses = 0
    /** Everything an instance does outside itself: it may be the last thing it does. */
    const cross = async <Value>(name: string, effect: () => Promise<Value> | Value): Promise<Value> => {
      const step = dead ? 'crash_before' : world.next(name)
      if (step === 'crash_before') dead = true
      if (dead) return await new Promise<never>(() => {})
      world.events.push(step === 'reject' ? `${name} rejected` : name)
      if (step === 'reject') throw Object.assign(new Error(`cannot write ${SECRET_URL}`), { code: 'STORE_AWAY' })
      const value = effect()
      if (step === 'crash_after') dead = true
      const result = await value
      return dead ? await new Promise<never>(() => {}) : result
    }
    const spool = directSpool(connection, { clock, instance: `instance ${++instances}` })
    const owed: OwedAnswers = {
      owe: (...args) => cross('owe', () => spool.owe(...args)),
      posting: (...args) => cross('posting', () => spool.posting(...args)),
      unposted: (...args) => cross('unposted', () => spool.unposted(...args)),
      paid: (...args) => cross('paid', () => spool.paid(...args)),
      takeOver: () => cross('takeOver', () => spool.takeOver()),
    }
    const call = (region: string, attempt: number, maySend = () => true): Promise<RegionResult> =>
      cross(`ask ${region} ${attempt}`, () => {
        const script = regions[region]?.says ?? []
        const index = attempts.get(region) ?? 0
        attempts.set(region, index + 1)
        const said = script[Math.min(index, script.length - 1)]
        if (said === undefined) throw new Error(`Nothing is written for ${region}`)
        world.asked.push({ region, attempt, at: clock.monotonic() })
        return new Promise<RegionResult>((resolve, reject) => {
          const send = (): void => {
            if (!maySend()) {
              resolve({ kind: 'refused', region, reason: 'lease_lapsed', timing: { startedMs: 0, endedMs: 0 } })
              return
            }
            if (isExecuted(said.result)) world.executions.push({ region, attempt })
            if (said.result === 'never') return
            const { result } = said
            clock.after(said.afterMs ?? 0, () =>
              result === 'fault' ? reject(new TypeError('a fault')) : resolve(result),
            )
          }
          if (said.queuedMs === undefined) send()
          else clock.after(said.queuedMs, send)
        })
      })
    const fault = (at: string): void => {
      if (world.config.faults.includes(at)) throw new TypeError(`a fault at ${SECRET_URL}`)
    }
    const post = (url: string, { body }: LateMessage): Promise<PostResult> =>
      cross('post', () => {
        if (url !== SECRET_URL) throw new Error('Posted elsewhere')
        fault('post')
        const result = posts[Math.min(world.posted.length, posts.length - 1)] ?? { kind: 'posted', status: 200 }
        world.posted.push({ text: body.toString(), at: clock.monotonic(), result: result.kind })
        return new Promise<PostResult>((resolve) => {
          if (postMs === 0) resolve(result)
          else clock.after(postMs, () => resolve(result))
        })
      })
    const log = (level: string) => (fields: Record<string, unknown>, message: string) =>
      void world.lines.push({ level, fields, message })
    const provider: ReturnType<LateAnswersParts['provider']> = {
      lateMessage({ body }) {
        fault('lateMessage')
        return body.toString() === 'unspeakable' ? undefined : { contentType: 'text/plain', body: Buffer.from(body) }
      },
      apology(why) {
        fault('apology')
        return { contentType: 'text/plain', body: Buffer.from(`sorry: ${why}`) }
      },
      mayPostTo: () => world.config.allowed,
    }
    const late = createLateAnswers({
      onEnd() {},
      isLogged: () => true,
      owed,
      sealer: () => world.config.sealer,
      poster: { post },
      provider: (name) => (name === 'test' && world.config.provider ? provider : undefined),
      ask(_what, region, attempt, maySend) {
        if (world.config.unsignable) throw new TypeError('cannot be signed')
        return call(region.name, attempt, maySend)
      },
      stillThere: (_what, { name, organizations }) => Promise.resolve(world.config.gone[name] ?? organizations),
      claims() {
        const before = lapses
        return () => lapses === before
      },
      idempotent: (name) => regions[name]?.idempotent ?? false,
      clock,
      random,
      log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      alarms: { raise: (level, _key, fields, message) => log(level)(fields, message) },
      counters,
    })
    const instance: Instance = { late, crash: () => void (dead = true), lapse: () => void lapses++ }
    killers.set(instance, call)
    return instance
  }
}

function isExecuted(result: RegionResult | 'never' | 'fault'): boolean {
  if (typeof result === 'string') return true
  switch (result.kind) {
    case 'answered':
      return true
    case 'failed':
    case 'timed_out':
      return result.sent
    case 'refused':
    case 'spooled':
      return false
  }
}
