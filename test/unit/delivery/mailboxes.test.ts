import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Attempted } from '../../../src/delivery/attempt.ts'
import type { Judgement } from '../../../src/delivery/judge.ts'
import { createMailboxWorker, type MailboxWorker } from '../../../src/delivery/mailboxes.ts'
import type { Lane } from '../../../src/delivery/turns.ts'
import { NO_PROGRESS, type MailboxAddress, type NewRow, type Spool } from '../../../src/spool/spool.ts'
import { directSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { connectSpool, type SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { mailboxIn, waitingRow } from '../../support/spool-rows.ts'
import { easy } from './mailbox-world.ts'

let connection: SpoolConnection
beforeAll(async () => {
  connection = await connectSpool(':memory:', { waitMs: 0 })
})
afterAll(() => connection.database.close())
beforeEach(() => connection.tables.clear())

const workers: MailboxWorker[] = []
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
})

const homeOf = (integration: string, region = 'eu'): MailboxAddress => mailboxIn(region, integration)

const delivered: Judgement = { kind: 'delivered' }
const asked = (retryAfterMs: number): Judgement => ({
  kind: 'transient',
  reason: 'http_503',
  why: 'answered',
  retryAfterMs,
})
const transient = (why: 'not_tried' | 'unreachable' | 'unanswered' | 'answered', reason: string = why): Judgement => ({
  kind: 'transient',
  reason,
  why,
  retryAfterMs: undefined,
})

/** One instance on the store of this file, whose attempts come out as told; `tried` lists them. */
function start(
  answer: (delivery: string, address: MailboxAddress, maySend: () => boolean) => Judgement | Attempted,
  clock = createManualClock(),
) {
  const tried: string[] = []
  const alarms: string[] = []
  const regions: Record<string, Lane | undefined> = {
    eu: { atMost: 4, breaker: 'closed' },
    us: { atMost: 4, breaker: 'closed' },
  }
  const spool: Spool = directSpool(connection, { clock, instance: `instance ${workers.length}` })
  const worker = createMailboxWorker({
    ...easy,
    spool,
    clock,
    alarms: { raise: (_level, key) => void alarms.push(key) },
    random: () => 1,
    attempt(address, { delivery }, maySend) {
      tried.push(`${delivery} ${address.kind === 'region' ? address.region : 'nowhere'}`)
      const outcome = answer(delivery, address, maySend)
      const isJudgement = outcome.kind === 'delivered' || outcome.kind === 'refused' || outcome.kind === 'transient'
      return Promise.resolve(isJudgement ? { kind: 'judged', judgement: outcome } : outcome)
    },
    lane: (region) => regions[region],
  })
  workers.push(worker)
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await nextTurn()
  }
  return {
    clock,
    tried,
    alarms,
    regions,
    spool,
    worker,
    settled,
    async pass(ms: number): Promise<void> {
      for (const end = clock.monotonic() + ms; clock.monotonic() < end;) {
        clock.advance(Math.min(500, end - clock.monotonic()))
        await settled()
      }
    },
    async put(...rows: NewRow[]): Promise<void> {
      for (const one of rows) await worker.append([one], { giveUpAt: clock.monotonic() + 1000 })
      await settled()
    },
  }
}

it('what has grown too old while nobody was here is a dead letter, and not sent first', async () => {
  const { clock, spool, worker, tried, settled } = start(() => delivered)
  await spool.append([waitingRow('d1', homeOf('1'))], { giveUpAt: clock.monotonic() + 1000 })
  clock.advance(easy.maxAgeMs() + 1)
  await worker.start()
  await settled()
  expect(tried).toEqual([])
  expect(await spool.deadLetters({}, { limit: 10 })).toMatchObject([{ delivery: 'd1', reason: 'too_old' }])
})

describe('what waits for a region that nothing is sent to', () => {
  it.each(['down', 'open'] as const)('follows its organization to where that has moved (%s)', async (state) => {
    let hasMoved = false
    const world = start((delivery, address) => {
      if (address.kind === 'region' && address.region === 'us') return delivered
      if (!hasMoved) return transient('not_tried', state === 'down' ? 'region_down' : 'circuit_open')
      return { kind: 'moved', rows: [waitingRow(delivery, homeOf('1', 'us'))] }
    })
    world.regions['eu'] = state === 'down' ? undefined : { atMost: 4, breaker: 'open' }
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    hasMoved = true
    await world.pass(61_000)
    expect(world.tried.at(-1)).toBe('d1 us')
    expect(world.worker.mustWait(homeOf('1'))).toBe(false)
  })

  it('is looked at now and then only', async () => {
    const world = start(() => transient('not_tried', 'region_down'))
    world.regions['eu'] = undefined
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    await world.pass(300_000)
    expect(world.tried.length).toBeLessThanOrEqual(6)
  })

  it('is sent as soon as the region is said to be up again', async () => {
    let isUp = false
    const world = start(() => (isUp ? delivered : transient('not_tried', 'region_down')))
    world.regions['eu'] = undefined
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    isUp = true
    world.regions['eu'] = { atMost: 4, breaker: 'closed' }
    world.worker.look()
    await world.settled()
    expect(world.worker.mustWait(homeOf('1'))).toBe(false)
  })
})

describe('a region whose state is changed while a turn finds it down', () => {
  it('is sent what waits at once, and not when that turn would have been repeated', async () => {
    let isDown = true
    const world = start(() => {
      if (!isDown) return delivered
      isDown = false
      // In the midst of the attempt, which has seen the state before.
      world.regions['eu'] = { atMost: 4, breaker: 'closed' }
      world.worker.look()
      return transient('not_tried', 'region_down')
    })
    world.regions['eu'] = undefined
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    expect(world.tried).toEqual(['d1 eu', 'd1 eu'])
    expect(world.worker.mustWait(homeOf('1'))).toBe(false)
  })
})

describe('a region that answers again', () => {
  /** One delivery whose first attempt came out like this, and then every one well. */
  async function after(first: Judgement, from: 'outage' | 'hiccup') {
    let isFirst = true
    const world = start(() => {
      const outcome = isFirst ? first : delivered
      isFirst = false
      return outcome
    })
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    world.worker.watch('eu').recovered(from)
    await world.settled()
    return world.tried.length
  }

  it.each(['unreachable', 'unanswered', 'answered'] as const)(
    'after an outage gets what waits (%s) at once',
    async (why) => {
      expect(await after(transient(why), 'outage')).toBe(2)
    },
  )

  it.each([
    ['unreachable', 2],
    ['unanswered', 1],
    ['answered', 1],
  ] as const)('after a hiccup of others gets what was %s in %i attempts', async (why, attempts) => {
    expect(await after(transient(why), 'hiccup')).toBe(attempts)
  })

  it('is left alone for as long as it asked, outage or not', async () => {
    expect(await after(asked(60_000), 'outage')).toBe(1)
  })
})

describe('a delivery that was asked to wait, and was due while nothing was sent', () => {
  /** Asked to wait for a second; what becomes of it then is told by `answers`, and after that it is delivered. */
  async function dueWhile(...answers: readonly Judgement[]) {
    const coming = [asked(1000), ...answers]
    const world = start(() => coming.shift() ?? delivered)
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    await world.pass(1000)
    expect(world.tried.length).toBe(2)
    return world
  }

  it.each(['outage', 'hiccup'] as const)('is sent at once when the region answers again (%s)', async (from) => {
    const world = await dueWhile(transient('not_tried', 'circuit_open'))
    world.worker.watch('eu').recovered(from)
    await world.settled()
    expect(world.tried.length).toBe(3)
    expect(world.worker.mustWait(homeOf('1'))).toBe(false)
  })

  it('is the probe when the breaker lets one through', async () => {
    const world = await dueWhile(transient('not_tried', 'circuit_open'))
    world.regions['eu'] = { atMost: 4, breaker: 'half_open' }
    world.worker.watch('eu').probeDue()
    await world.settled()
    expect(world.tried.length).toBe(3)
  })

  it('is sent at once when the region is said to be up again', async () => {
    const world = await dueWhile(transient('not_tried', 'region_down'))
    world.worker.look()
    await world.settled()
    expect(world.tried.length).toBe(3)
  })

  it('waits once more when it is asked once more, whatever becomes of the region', async () => {
    const world = await dueWhile(transient('not_tried', 'circuit_open'), asked(60_000))
    for (let nth = 0; nth < 2; nth++) {
      world.worker.watch('eu').recovered('outage')
      world.worker.watch('eu').recovered('hiccup')
      world.worker.watch('eu').probeDue()
      world.worker.look()
      await world.settled()
    }
    await world.pass(59_000)
    expect(world.tried.length).toBe(3)
    await world.pass(1000)
    expect(world.tried.length).toBe(4)
  })
})

describe('a delivery that was asked to wait for less than its back-off', () => {
  /** Asked each time to wait for a second, and so often that it waits for minutes; then it would be delivered. */
  async function failedOften(atTheLast?: (worker: MailboxWorker) => void) {
    const world = start(() => {
      if (world.tried.length === 9) atTheLast?.(world.worker)
      return world.tried.length > 9 ? delivered : asked(1000)
    })
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    while (world.tried.length < 9) await world.pass(500)
    return world
  }

  it('is sent as soon as the region answers again, and what it was asked for is over', async () => {
    const world = await failedOften()
    await world.pass(1000)
    expect(world.tried.length).toBe(9)
    world.worker.watch('eu').recovered('outage')
    await world.settled()
    expect(world.tried.length).toBe(10)
  })

  it('is sent once that is over when the region answers again before', async () => {
    const world = await failedOften()
    world.worker.watch('eu').recovered('outage')
    await world.worker.lookInto([homeOf('1')])
    await world.settled()
    await world.pass(500)
    expect(world.tried.length).toBe(9)
    await world.pass(500)
    expect(world.tried.length).toBe(10)
  })

  it('is sent once that is over when the region answers others again while it says so', async () => {
    const world = await failedOften((worker) => worker.watch('eu').recovered('outage'))
    await world.pass(500)
    expect(world.tried.length).toBe(9)
    await world.pass(500)
    expect(world.tried.length).toBe(10)
  })

  it('is the probe once that is over, and not before', async () => {
    const world = await failedOften()
    world.regions['eu'] = { atMost: 4, breaker: 'half_open' }
    world.worker.watch('eu').probeDue()
    await world.pass(1000)
    expect(world.tried.length).toBe(9)
    world.worker.watch('eu').probeDue()
    await world.settled()
    expect(world.tried.length).toBe(10)
  })

  it('rests for its back-off otherwise', async () => {
    const world = await failedOften()
    await world.pass(255_000)
    expect(world.tried.length).toBe(9)
    await world.pass(1000)
    expect(world.tried.length).toBe(10)
  })
})

it('what is looked into while its region is down is sent as soon as that is said to be up again', async () => {
  let isUp = false
  const world = start(() => (isUp ? delivered : transient('not_tried', 'region_down')))
  await world.worker.start()
  await world.put(waitingRow('d1', homeOf('1')))
  await world.worker.lookInto([homeOf('1')])
  await world.settled()
  isUp = true
  world.worker.look()
  await world.settled()
  expect(world.tried).toEqual(['d1 eu', 'd1 eu'])
})

describe('what is asked to wait goes on waiting, whatever becomes of its region and whoever looks into it,', () => {
  it.each(['the first attempt', 'a later one'])('by the answer to %s', async (which) => {
    const world = start(() => asked(60_000))
    await world.worker.start()
    const retryAt = world.clock.now() + 60_000
    const state = {
      kind: 'waiting',
      ...NO_PROGRESS,
      ...(which === 'the first attempt' && { retryAt, isAsked: true }),
    } as const
    await world.put(waitingRow('d1', homeOf('1'), { state }))
    const attempts = world.tried.length
    world.worker.watch('eu').recovered('outage')
    await world.worker.lookInto([homeOf('1')])
    await world.settled()
    await world.pass(59_000)
    expect(world.tried.length).toBe(attempts)
    await world.pass(1000)
    expect(world.tried.length).toBe(attempts + 1)
  })

  it('and is not asked for in the store meanwhile', async () => {
    const world = start(() => asked(60_000))
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    let claims = 0
    const next = world.spool.next.bind(world.spool)
    world.spool.next = (mailbox) => {
      claims += 1
      return next(mailbox)
    }
    world.worker.watch('eu').recovered('outage')
    await world.settled()
    expect(claims).toBe(0)
  })
})

describe('what has moved', () => {
  it('is delivered although its mailbox was emptied at that very moment', async () => {
    const homeless: MailboxAddress = { kind: 'unresolved', provider: 'slack', installation: 'T1' }
    const world = start((delivery, { kind }) =>
      kind === 'unresolved' ? { kind: 'moved', rows: [waitingRow(delivery, homeOf('1'))] } : delivered,
    )
    await world.worker.start()
    await Promise.all([world.put(waitingRow('last', homeOf('1'))), world.put(waitingRow('moved', homeless))])
    await world.pass(2000)
    expect(world.tried).toContain('moved eu')
    expect(await world.spool.open()).toEqual([])
  })
})

describe('a mailbox that refusals have paused', () => {
  it('has its refusals counted anew once it is resumed', async () => {
    const world = start(() => delivered)
    await world.worker.start()
    const dead = (delivery: string): NewRow => ({
      ...waitingRow(delivery, homeOf('1')),
      state: { kind: 'dead', reason: 'http_400', attempts: 1 },
    })
    await world.put(...Array.from({ length: 10 }, (_, index) => dead(`d${index}`)))
    expect(world.worker.mustWait(homeOf('1'))).toBe(true)
    const [paused] = await world.spool.open()
    const operator = directSpool(connection, { clock: world.clock, instance: 'operator' })
    await operator.resume(paused?.id ?? 0)
    await world.pass(2000)
    expect(world.worker.mustWait(homeOf('1'))).toBe(false)
    await world.put(dead('one more'))
    expect(world.worker.mustWait(homeOf('1'))).toBe(false)
  })
})

describe('a mailbox that is resumed while something is on its way into it', () => {
  it('delivers that', async () => {
    const world = start(() => delivered)
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    const [{ id } = { id: 0 }] = await world.spool.list()
    await world.spool.pause(id, 'by hand')
    await world.worker.lookAtAll()
    const { promise: slowDisk, resolve: written } = Promise.withResolvers<void>()
    const append = world.spool.append.bind(world.spool)
    world.spool.append = async (rows, options) => {
      const appended = await append(rows, options)
      await slowDisk
      return appended
    }
    const putting = world.put(waitingRow('d2', homeOf('1')))
    // Read before what is on its way has come in.
    world.spool.open = () => Promise.resolve([])
    await world.spool.resume(id)
    await world.worker.lookAtAll()
    written()
    await putting
    expect(world.tried).toEqual(['d1 eu', 'd2 eu'])
  })
})

describe('a refusal that is written down while others come and go', () => {
  it('counts towards those that pause the mailbox', async () => {
    const world = start(() => delivered)
    await world.worker.start()
    const dead = (delivery: string): NewRow => ({
      ...waitingRow(delivery, homeOf('1')),
      state: { kind: 'dead', reason: 'http_400', attempts: 1 },
    })
    const first = world.put(dead('d1'))
    // Nothing is known of the mailbox yet, so that it is forgotten meanwhile.
    world.worker.taken(homeOf('1'))
    await Promise.all([first, ...Array.from({ length: 9 }, (_, index) => world.put(dead(`d${index + 2}`)))])
    expect(world.worker.mustWait(homeOf('1'))).toBe(true)
  })
})

describe('a store that is closed while it is being looked into', () => {
  it('is no alarm', async () => {
    const world = start(() => delivered)
    await world.worker.start()
    const { promise: looking, reject: close } = Promise.withResolvers<undefined>()
    world.spool.changed = () => looking
    await world.pass(1000)
    await world.worker.stop()
    close(new Error('the database is closed'))
    await world.settled()
    expect(world.alarms).toEqual([])
  })
})

describe('a claim', () => {
  it('does not stand any more once the lease has lapsed, even if it was renewed since', async () => {
    const claims: (() => boolean)[] = []
    const world = start((_, __, maySend) => {
      claims.push(maySend)
      return transient('unanswered')
    })
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    expect(claims[0]?.()).toBe(true)
    world.clock.advance(60_000)
    expect(claims[0]?.()).toBe(false)
    await world.settled()
    await world.put(waitingRow('d2', homeOf('2')))
    expect(claims[0]?.()).toBe(false)
    expect(claims.at(-1)?.()).toBe(true)
  })
})

describe('a delivery whose turn ends as the region recovers', () => {
  it('has not missed it', async () => {
    let isBack = false
    const world = start(() => {
      if (isBack) return delivered
      isBack = true
      // The breaker closes by somebody else's call while this one is still being let go.
      world.worker.watch('eu').recovered('outage')
      return transient('not_tried', 'circuit_open')
    })
    await world.worker.start()
    await world.put(waitingRow('d1', homeOf('1')))
    await world.pass(1000)
    expect(world.tried).toEqual(['d1 eu', 'd1 eu'])
  })
})

/** A process that has failed on a head so often that it rests for minutes; `failOnceMore` tries all the same. */
async function startFailing(answer: () => Judgement) {
  const world = start(answer)
  world.regions['eu'] = { atMost: 4, breaker: 'half_open' }
  await world.worker.start()
  await world.put(waitingRow('d1', homeOf('1')))
  const failOnceMore = async (): Promise<void> => {
    world.worker.watch('eu').probeDue()
    await world.settled()
  }
  for (let probe = 0; probe < 9; probe++) await failOnceMore()
  return { ...world, failOnceMore }
}

describe('a process that is started', () => {
  /** What the process before it has left: a head that was tried so often that it rests for minutes. */
  async function left(judgement: Judgement): Promise<void> {
    const before = await startFailing(() => judgement)
    await before.worker.stop()
  }

  it.each(['unreachable', 'unanswered', 'answered'] as const)(
    'delivers within 2 s what another has failed to, however long that would have waited (%s)',
    async (why) => {
      await left(transient(why))
      const world = start(() => delivered)
      await world.worker.start()
      await world.settled()
      await world.pass(2000)
      expect(world.tried).toEqual(['d1 eu'])
    },
  )

  it('waits no less than the region has asked the other for', async () => {
    await left(asked(60_000))
    const world = start(() => delivered)
    await world.worker.start()
    await world.settled()
    world.worker.watch('eu').recovered('outage')
    await world.worker.lookInto([homeOf('1')])
    await world.settled()
    await world.pass(59_000)
    expect(world.tried).toEqual([])
    await world.pass(241_000)
    expect(world.tried).toEqual(['d1 eu'])
  })
})

describe('a process that knows of a head that another one fails on', () => {
  /** Attempts come out as told, and all further ones as the last. */
  async function startBeside({ clock }: { readonly clock: ManualClock }, ...judgements: readonly Judgement[]) {
    const coming = [...judgements]
    const world = start(() => (coming.length > 1 ? coming.shift() : coming[0]) ?? delivered, clock)
    await world.worker.start()
    await world.settled()
    return world
  }

  it('delivers it within 2 s although the other has failed once more meanwhile, and is gone', async () => {
    const other = await startFailing(() => transient('unreachable'))
    const world = await startBeside(other, delivered)
    await world.pass(1000)
    await other.failOnceMore()
    await other.worker.stop()
    await world.pass(1000)
    expect(world.tried).toEqual([])
    await world.pass(2000)
    expect(world.tried).toEqual(['d1 eu'])
  })

  it('does so although it has had it in hand before, while nothing was sent', async () => {
    const other = await startFailing(() => transient('unreachable'))
    const world = await startBeside(other, transient('not_tried', 'circuit_open'), delivered)
    await world.pass(2000)
    await other.failOnceMore()
    await other.worker.stop()
    // When it looks again, and within 2 s of that.
    await world.pass(62_000)
    expect(world.tried).toEqual(['d1 eu', 'd1 eu'])
  })

  it('waits as long as the other once it has failed on it itself', async () => {
    const other = await startFailing(() => transient('answered'))
    const world = await startBeside(other, transient('answered'))
    await world.pass(100_000)
    expect(world.tried.length).toBe(1)
    await other.failOnceMore()
    await world.pass(299_000)
    expect(world.tried.length).toBe(1)
  })

  it('does so although it has had it in hand since, while nothing was sent', async () => {
    const other = await startFailing(() => transient('answered'))
    const world = await startBeside(other, transient('answered'), transient('not_tried', 'circuit_open'), delivered)
    await world.pass(2000)
    world.worker.watch('eu').recovered('outage')
    await world.settled()
    expect(world.tried.length).toBe(2)
    await other.failOnceMore()
    await world.pass(100_000)
    expect(world.tried.length).toBe(2)
  })

  it('tries it again once it gets through itself to where it did not', async () => {
    const other = await startFailing(() => transient('unreachable'))
    const world = await startBeside(other, transient('unreachable'))
    await world.pass(100_000)
    await other.failOnceMore()
    // Until it would have been due, and is found to have been tried since.
    await world.pass(203_000)
    expect(world.tried.length).toBe(1)
    world.worker.watch('eu').recovered('hiccup')
    await world.settled()
    expect(world.tried.length).toBe(2)
  })

  it('waits for as long as the other was asked to, although it gets through itself meanwhile', async () => {
    let answer = transient('unreachable')
    const other = await startFailing(() => answer)
    const world = await startBeside(other, transient('unreachable'))
    await world.pass(2000)
    answer = asked(300_000)
    await other.failOnceMore()
    world.worker.watch('eu').recovered('outage')
    await world.settled()
    await world.pass(299_000)
    expect(world.tried.length).toBe(1)
    await world.pass(1000)
    expect(world.tried.length + other.tried.length).toBe(13)
  })
})

it('what another has claimed and tried before its failure was written down waits for what that one was asked to', async () => {
  const world = start(() => transient('unreachable'))
  await world.worker.start()
  const settle = world.spool.settle.bind(world.spool)
  world.spool.settle = async (...args) => {
    world.spool.settle = settle
    // Long enough for the lease to lapse.
    world.clock.advance(10_000)
    const other = directSpool(connection, { clock: world.clock, instance: 'other' })
    const [{ id } = { id: 0 }] = await other.open()
    const next = await other.next(id)
    if (next.kind !== 'row') throw new Error(`the mailbox is ${next.kind}`)
    const retryAt = world.clock.now() + 60_000
    await other.settle(
      { kind: 'mailbox', mailbox: id, fence: next.fence, row: next.row.id },
      { kind: 'again', attempts: 1, answeredFailures: 1, failingMs: 0, retryAt, isAsked: true },
    )
    return settle(...args)
  }
  await world.put(waitingRow('d1', homeOf('1')))
  world.worker.watch('eu').recovered('outage')
  await world.settled()
  await world.pass(59_000)
  expect(world.tried).toEqual(['d1 eu'])
  await world.pass(1000)
  expect(world.tried).toEqual(['d1 eu', 'd1 eu'])
})

it('what comes through while a failure is written down wakes whom it failed as well', async () => {
  let isBack = false
  const world = start(() => (isBack ? delivered : transient('unreachable')))
  await world.worker.start()
  await world.put(waitingRow('d1', homeOf('1')))
  while (world.tried.length < 8) await world.pass(500)
  const settle = world.spool.settle.bind(world.spool)
  world.spool.settle = (...args) => {
    if (!isBack) {
      isBack = true
      world.worker.watch('eu').recovered('hiccup')
    }
    return settle(...args)
  }
  while (world.tried.length < 9) await world.pass(500)
  await world.pass(500)
  expect(world.tried.length).toBe(10)
})

it('what was stored for nobody is delivered once it is sent again, of which it is then the first', async () => {
  const world = start(() => delivered)
  await world.worker.start()
  await world.spool.append([waitingRow('d1', homeOf('1'))], { giveUpAt: Infinity })
  await world.put(waitingRow('d1', homeOf('1')))
  expect(world.tried).toEqual(['d1 eu'])
})

describe('several processes, each of which tries the same head,', () => {
  /** Three on one store; `triedAt` is when any of them has tried, in seconds. */
  async function startThree(answer: (nth: number) => Judgement) {
    const clock = createManualClock()
    const begun = clock.monotonic()
    const triedAt: number[] = []
    const worlds = Array.from({ length: 3 }, () =>
      start(() => {
        triedAt.push((clock.monotonic() - begun) / 1000)
        return answer(triedAt.length)
      }, clock),
    )
    for (const world of worlds) await world.worker.start()
    await worlds[0]?.put(waitingRow('d1', homeOf('1')))
    return {
      triedAt,
      pass: async (seconds: number): Promise<void> => {
        for (const end = clock.monotonic() + seconds * 1000; clock.monotonic() < end;) {
          clock.advance(500)
          for (const world of worlds) await world.settled()
        }
      },
    }
  }
  const deadLetters = () => connection.database.prepare('SELECT reason FROM dead_letters').all()

  it('call it poison after ten minutes like one alone', async () => {
    const { triedAt, pass } = await startThree(() => transient('answered'))
    await pass(590)
    expect(deadLetters()).toEqual([])
    await pass(310)
    expect(deadLetters()).toEqual([{ reason: 'poison' }])
    // One more each than one alone: what it has not tried yet, none takes another's word for.
    expect(triedAt.length).toBeLessThanOrEqual(13)
  })

  it('wait for as long as its region has asked any of them to', async () => {
    const { triedAt, pass } = await startThree((nth) => (nth === 5 ? asked(120_000) : transient('answered')))
    await pass(100)
    expect(triedAt.length).toBe(5)
    await pass(60)
    expect(triedAt.length).toBe(6)
    expect((triedAt[5] ?? 0) - (triedAt[4] ?? 0)).toBeGreaterThanOrEqual(120)
  })
})
