import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  LEASE_MS,
  NO_PROGRESS,
  type Claim,
  type MailboxAddress,
  type MailboxPage,
  type NewOwedAnswer,
  type NewRow,
  type NewRowState,
  type Next,
  type Sealed,
  type Spool,
} from '../../../src/spool/spool.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { mailboxIn } from '../../support/spool-rows.ts'
import { namedRow } from './named-row.ts'

/** An empty store, on which instances work that share one clock. */
export interface Store {
  /** `clock`: another than the one they share. */
  instance(name: string, clock?: ManualClock): Promise<Spool>
  close(): Promise<void>
}

export interface Adapter {
  /** Whether more than one instance can work on a store. */
  readonly shared: boolean
  open(clock: ManualClock): Promise<Store>
}

const NOW = 1_750_000_000_000
const waiting: NewRowState = { kind: 'waiting', ...NO_PROGRESS }
const held: NewRowState = { kind: 'held' }
const dead = (reason: string, attempts = 1): NewRowState => ({ kind: 'dead', reason, attempts })

const box = (integration = '1', region = 'us'): MailboxAddress => mailboxIn(region, integration)
const unresolved = (installation: string): MailboxAddress => ({ kind: 'unresolved', provider: 'slack', installation })
const sealed = (text: string, keyId?: string): Sealed => ({ keyId, bytes: Buffer.from(text) })
const row = (name: string, more: Partial<NewRow> = {}): NewRow =>
  namedRow(name, box(), { organizations: ['10', '11'], receivedAt: NOW - 1000, ...more })
const answer = (delivery: string, more: Partial<NewOwedAnswer> = {}): NewOwedAnswer => ({
  delivery,
  provider: 'slack',
  integration: '1',
  receivedAt: NOW - 1000,
  request: sealed('request', 'k1'),
  message: undefined,
  ...more,
})

/** What every spool does, whatever is behind it. */
export function spoolConformance(name: string, adapter: Adapter): void {
  describe(`spool: ${name}`, () => {
    let clock: ManualClock
    let store: Store
    let spool: Spool
    const opened: Spool[] = []

    beforeEach(async () => {
      clock = createManualClock({ now: NOW })
      clock.advance(1_000_000)
      store = await adapter.open(clock)
      spool = await instance('a')
    })
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close()
      await store.close()
      expect(clock.pending()).toBe(0)
    })

    async function instance(name: string, at?: ManualClock): Promise<Spool> {
      const one = await store.instance(name, at)
      opened.push(one)
      return one
    }

    async function goAway(gone: Spool): Promise<void> {
      opened.splice(opened.indexOf(gone), 1)
      await gone.close()
    }

    const soon = () => ({ giveUpAt: clock.monotonic() + 1000 })
    const append = (...rows: NewRow[]) => spool.append(rows, soon())

    /** Appends one row, which has to be stored. */
    async function stored(one: NewRow) {
      const [result] = await append(one)
      if (result?.kind !== 'stored') throw new Error(`${one.dedupKey} was not stored: ${result?.kind}`)
      return result
    }

    function claimOf(mailbox: number, next: Next) {
      if (next.kind !== 'row') throw new Error(`the mailbox is ${next.kind}`)
      return { kind: 'mailbox', mailbox, fence: next.fence, row: next.row.id } satisfies Claim
    }

    async function claimed(mailbox: number, by = spool) {
      return claimOf(mailbox, await by.next(mailbox))
    }

    /** Delivers everything in a mailbox, and says what came in which order. */
    async function drain(mailbox: number): Promise<string[]> {
      const names: string[] = []
      for (let next = await spool.next(mailbox); next.kind === 'row'; next = await spool.next(mailbox)) {
        names.push(next.row.dedupKey)
        expect(await spool.settle(claimOf(mailbox, next), { kind: 'delivered' })).toBe(true)
      }
      return names
    }

    async function namesOfDead(): Promise<string[]> {
      const letters = await spool.deadLetters({}, { limit: 100 })
      return letters.map(({ delivery }) => delivery.replace('delivery ', ''))
    }

    describe('what is appended', () => {
      it('comes back whole, with the time since which it waits here', async () => {
        const progress = { attempts: 1, answeredFailures: 2, failingMs: 3, retryAt: NOW + 4, isAsked: true }
        const state: NewRowState = { kind: 'waiting', ...progress }
        const { id, mailbox } = await stored(row('x', { state, receivedAt: NOW - 7 }))
        const next = await spool.next(mailbox)
        expect(next).toMatchObject({ kind: 'row', row: progress })
        expect(next).toMatchObject({
          row: {
            id,
            delivery: 'delivery x',
            dedupKey: 'x',
            organizations: ['10', '11'],
            receivedAt: NOW - 7,
            spooledAt: clock.now(),
          },
        })
        const payload = next.kind === 'row' ? next.row.payload : undefined
        expect(payload?.keyId).toBe('k1')
        expect(Buffer.from(payload?.bytes ?? []).toString()).toBe('payload x')
      })

      it('takes along the organizations of what waits there already', async () => {
        const { mailbox } = await stored(row('x', { organizations: ['10'] }))
        expect(await append(row('x', { organizations: ['11'] }))).toEqual([{ kind: 'duplicate' }])
        expect(await append(row('x', { organizations: ['10'] }))).toEqual([{ kind: 'duplicate' }])
        const refused = row('x', { organizations: ['12'], state: dead('http_422') })
        expect(await append(refused)).toEqual([{ kind: 'duplicate' }])
        expect(await spool.next(mailbox)).toMatchObject({ row: { organizations: ['10', '11', '12'] } })
        expect(await drain(mailbox)).toEqual(['x'])
      })

      it('takes them along also where both come at once', async () => {
        const [first, second] = await append(
          row('x', { organizations: ['10'] }),
          row('x', { organizations: ['11'] }),
          row('y', { state: held, organizations: ['10'] }),
          row('y', { organizations: ['11'] }),
          row('y', { organizations: ['10'] }),
        ).then(([x, ...more]) => [x, more] as const)
        expect(second.map(({ kind }) => kind)).toEqual(['duplicate', 'stored', 'blocked', 'duplicate'])
        const mailbox = first?.kind === 'stored' ? first.mailbox : 0
        expect(await spool.next(mailbox)).toMatchObject({ row: { organizations: ['10', '11'] } })
      })

      it('is not kept where it waits without some of them for another integration', async () => {
        await stored(row('x', { organizations: ['10'] }))
        const elsewhere = { mailbox: box('2'), organizations: ['11'] }
        expect(await append(row('x', elsewhere))).toEqual([{ kind: 'blocked' }])
        const both = await append(row('y', { organizations: ['10'] }), row('y', elsewhere))
        expect(both.map(({ kind }) => kind)).toEqual(['stored', 'blocked'])
      })

      it.each(['held', 'claimed'])('is not kept where it is being sent without some of them (%s)', async (how) => {
        const state = how === 'held' ? held : row('').state
        const { mailbox } = await stored(row('x', { organizations: ['10'], state }))
        if (how === 'claimed') await claimed(mailbox)
        expect(await append(row('x', { organizations: ['10', '11'] }))).toEqual([{ kind: 'blocked' }])
        expect(await append(row('x', { organizations: ['11'], state: dead('x') }))).toEqual([{ kind: 'blocked' }])
        expect(await append(row('x', { organizations: ['10'] }))).toEqual([{ kind: 'duplicate' }])
        expect(await namesOfDead()).toEqual([])
      })

      it('may be not encrypted, empty, or any bytes', async () => {
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
        for (const payload of [bytes, Buffer.alloc(0)]) {
          const { mailbox } = await stored(row('x', { payload: { keyId: undefined, bytes: payload } }))
          const next = await spool.next(mailbox)
          const kept = next.kind === 'row' ? next.row.payload : undefined
          expect(kept?.keyId).toBeUndefined()
          expect(Buffer.from(kept?.bytes ?? [1])).toEqual(payload)
          await drain(mailbox)
        }
      })

      it('goes to a mailbox for each region of each integration, and each installation that is unresolved', async () => {
        const addresses = [
          box('1', 'us'),
          box('1', 'eu'),
          box('9223372036854775807', 'us'),
          unresolved('T1'),
          unresolved('T2'),
          { ...box('1', 'us'), provider: 'other' },
        ]
        const results = await append(
          ...addresses.map((mailbox, index) => row(`x${index}`, { mailbox })),
          ...addresses.map((mailbox, index) => row(`y${index}`, { mailbox })),
        )
        const mailboxes = results.map((result) => (result.kind === 'stored' ? result.mailbox : undefined))
        expect(new Set(mailboxes).size).toBe(6)
        expect(mailboxes.slice(6)).toEqual(mailboxes.slice(0, 6))
        const open = (await spool.open()).map(({ address }) => address)
        expect(open).toHaveLength(6)
        expect(open).toEqual(expect.arrayContaining(addresses))
      })

      it('is delivered in the order in which it came, each mailbox for itself', async () => {
        const one = await stored(row('1'))
        const other = await stored(row('2', { mailbox: box('2') }))
        await append(row('3'), row('4', { mailbox: box('2') }), row('5'))
        expect(await drain(one.mailbox)).toEqual(['1', '3', '5'])
        expect(await drain(other.mailbox)).toEqual(['2', '4'])
      })

      it('is kept once for each dedup key and region while it waits', async () => {
        await append(row('x'))
        const again = [
          row('x'),
          row('x', { mailbox: box('2') }),
          row('x', { mailbox: box('1', 'eu') }),
          row('y'),
          row('y'),
        ]
        expect((await append(...again)).map(({ kind }) => kind)).toEqual([
          'duplicate',
          'duplicate',
          'stored',
          'stored',
          'duplicate',
        ])
        expect((await spool.open()).map(({ address }) => address)).toEqual([box(), box('1', 'eu')])
      })

      it('is kept once where it is unresolved, too', async () => {
        await append(row('x', { mailbox: unresolved('T1') }))
        expect(await append(row('x', { mailbox: unresolved('T2') }))).toEqual([{ kind: 'duplicate' }])
      })

      it('may come again once it was delivered', async () => {
        const { mailbox, id } = await stored(row('x'))
        await drain(mailbox)
        expect((await stored(row('x'))).id).toBeGreaterThan(id)
      })

      it('is all or nothing where one of it cannot be stored', async () => {
        const bad = row('bad', { mailbox: box('no number') })
        const [good, none] = await Promise.allSettled([append(row('good')), append(row('lost'), bad)])
        expect([good.status, none.status]).toEqual(['fulfilled', 'rejected'])
        expect(await spool.list()).toMatchObject([{ depth: 1, bytes: 12 }])
      })

      it('is listed with its mailbox, page by page, all of them or those that are open', async () => {
        const all: number[] = []
        for (const region of ['a', 'b', 'c', 'd']) {
          all.push((await stored(row(region, { mailbox: box('1', region) }))).mailbox)
        }
        const [first = 0, , third = 0, last = 0] = all
        await drain(first)
        await drain(third)
        await spool.pause(third, 'by hand')
        const idsOf = async (page?: MailboxPage) => (await spool.list(page)).map(({ id }) => id)
        expect(await idsOf()).toEqual(all)
        expect(await idsOf({ limit: 2 })).toEqual(all.slice(0, 2))
        expect(await idsOf({ limit: 9, after: first })).toEqual(all.slice(1))
        expect(await idsOf({ limit: 2, open: true })).toEqual(all.slice(1, 3))
        expect(await idsOf({ limit: 2, open: true, after: third })).toEqual([last])
      })

      it('may be dead from the start', async () => {
        expect(await append(row('x', { state: dead('http_400', 3) }))).toMatchObject([{ kind: 'stored' }])
        expect(await spool.open()).toEqual([])
        expect(await spool.deadLetters({}, { limit: 10 })).toEqual([
          {
            id: expect.any(Number),
            mailbox: expect.any(Number),
            address: box(),
            delivery: 'delivery x',
            reason: 'http_400',
            attempts: 3,
            receivedAt: NOW - 1000,
            diedAt: clock.now(),
          },
        ])
      })

      it('is one dead letter, however often it dies', async () => {
        await append(row('x', { state: dead('first') }))
        expect(await append(row('x', { state: dead('second') }))).toEqual([{ kind: 'duplicate' }])
        const { mailbox } = await stored(row('x'))
        await spool.settle(await claimed(mailbox), { kind: 'dead', reason: 'third', attempts: 1 })
        expect(await spool.deadLetters({}, { limit: 10 })).toMatchObject([{ reason: 'first' }])
        expect(await spool.list()).toMatchObject([{ depth: 0, bytes: 0, deadLetters: 1 }])
      })
    })

    describe('the totals', () => {
      const at = (name: string, mailbox: MailboxAddress, state = waiting) =>
        row(name, { mailbox, state, payload: sealed('0123456789') })

      it('of an empty store are none', async () => {
        expect(await spool.totals()).toEqual(new Map())
      })

      it('are sums over all mailboxes of a region, with the oldest of their heads', async () => {
        const { mailbox } = await stored(at('1', box('1')))
        clock.advance(1000)
        await append(at('2', box('1')), at('3', box('2')), at('4', box('3', 'eu')), at('5', unresolved('T1')))
        await spool.pause(mailbox, 'by hand')
        const more = { paused: 0, deadLetters: 0, oldestAt: clock.now() }
        expect(await spool.totals()).toEqual(
          new Map([
            ['us', { depth: 3, bytes: 30, oldestAt: clock.now() - 1000, paused: 1, deadLetters: 0 }],
            ['eu', { depth: 1, bytes: 10, ...more }],
            ['', { depth: 1, bytes: 10, ...more }],
          ]),
        )
      })

      it('tell of dead letters where nothing waits', async () => {
        await append(at('1', box(), dead('x')), at('2', box(), dead('y')))
        expect(await spool.totals()).toEqual(
          new Map([['us', { depth: 0, bytes: 0, oldestAt: undefined, paused: 0, deadLetters: 2 }]]),
        )
      })
    })

    describe('a region that is full', () => {
      const ten = (name: string, region = 'us') =>
        row(name, { payload: sealed('0123456789'), maxSpoolBytes: 25, mailbox: box('1', region) })

      it('takes nothing more, and others go on', async () => {
        const results = await append(ten('1'), ten('2'), ten('3'), ten('4', 'eu'))
        expect(results.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'full', 'stored'])
        expect(await spool.usage()).toEqual(
          new Map([
            ['us', 20],
            ['eu', 10],
          ]),
        )
      })

      it('counts what waits for every integration', async () => {
        await append(ten('1'), { ...ten('2'), mailbox: box('2') })
        expect(await append({ ...ten('3'), mailbox: box('3') })).toEqual([{ kind: 'full' }])
      })

      it('takes what just fits', async () => {
        await append(ten('1'))
        expect(await append({ ...ten('2'), maxSpoolBytes: 20 })).toMatchObject([{ kind: 'stored' }])
        expect(await append({ ...ten('3'), maxSpoolBytes: 29 })).toEqual([{ kind: 'full' }])
      })

      it('says of what it has already that it has it', async () => {
        await append(ten('1'), ten('2'))
        expect(await append(ten('1'))).toEqual([{ kind: 'duplicate' }])
      })

      it('counts what is held, and not what is dead', async () => {
        await append({ ...ten('1'), state: held }, { ...ten('2'), state: dead('x') })
        expect(await append({ ...ten('3'), state: dead('x') }, ten('4'), ten('5'))).toMatchObject([
          { kind: 'stored' },
          { kind: 'stored' },
          { kind: 'full' },
        ])
        expect(await spool.usage()).toEqual(new Map([['us', 20]]))
      })

      it('has room again once something left', async () => {
        const { mailbox } = await stored(ten('1'))
        await append(ten('2'))
        await spool.settle(await claimed(mailbox), { kind: 'delivered' })
        await spool.settle(await claimed(mailbox), { kind: 'dead', reason: 'x', attempts: 1 })
        expect(await spool.usage()).toEqual(new Map())
        expect(await append(ten('3'), ten('4'))).toMatchObject([{ kind: 'stored' }, { kind: 'stored' }])
      })
    })

    describe('a mailbox', () => {
      it('that does not exist is empty', async () => {
        expect(await spool.next(12345)).toEqual({ kind: 'empty' })
        expect(await spool.pause(12345, 'x')).toBe(false)
        expect(await spool.resume(12345)).toBe(false)
      })

      it('gives its head again as long as it is claimed and not settled', async () => {
        const { mailbox } = await stored(row('x'))
        const first = await claimed(mailbox)
        expect(await claimed(mailbox)).toEqual(first)
      })

      it('says until when its head may be sent, which a later claim makes later', async () => {
        const { mailbox } = await stored(row('x'))
        expect(await spool.next(mailbox)).toMatchObject({ validUntil: clock.monotonic() + LEASE_MS })
        clock.advance(1000)
        expect(await spool.next(mailbox)).toMatchObject({ validUntil: clock.monotonic() + LEASE_MS })
      })

      it('keeps its head where it is when it is to be sent again', async () => {
        const { mailbox, id } = await stored(row('1'))
        await append(row('2'))
        const progress = { attempts: 3, answeredFailures: 2, failingMs: 700, retryAt: NOW + 5000, isAsked: true }
        expect(await spool.settle(await claimed(mailbox), { kind: 'again', ...progress })).toBe(true)
        expect(await spool.next(mailbox)).toMatchObject({ row: { id, dedupKey: '1', ...progress } })
        expect(await spool.open()).toMatchObject([{ retryAt: NOW + 5000 }])
      })

      it('moves on to the next when its head has died', async () => {
        const { mailbox } = await stored(row('1'))
        await append(row('2'))
        await spool.settle(await claimed(mailbox), { kind: 'dead', reason: 'http_400', attempts: 4 })
        expect(await spool.deadLetters({}, { limit: 1 })).toMatchObject([{ reason: 'http_400', attempts: 4, mailbox }])
        expect(await drain(mailbox)).toEqual(['2'])
      })

      it('lets what has moved go before what came later than it did', async () => {
        const us = await stored(row('1', { mailbox: unresolved('T1') }))
        const eu = await stored(row('2', { mailbox: box('1', 'eu') }))
        clock.advance(500)
        const moved = [row('1', { mailbox: box('1', 'eu') }), row('1', { mailbox: box('1', 'us') })]
        expect(await spool.settle(await claimed(us.mailbox), { kind: 'moved', rows: moved })).toBe(true)
        expect(await spool.next(us.mailbox)).toEqual({ kind: 'empty' })
        expect(await drain(eu.mailbox)).toEqual(['1', '2'])
        const [left] = await spool.list().then((all) => all.filter(({ depth }) => depth > 0))
        expect(left).toMatchObject({ address: box('1', 'us'), depth: 1, oldestAt: clock.now() - 500 })
      })

      it('leaves out what waits already where something is moved to, and takes it from itself', async () => {
        const { mailbox } = await stored(row('1', { mailbox: unresolved('T1') }))
        await append(row('1'))
        await spool.settle(await claimed(mailbox), { kind: 'moved', rows: [row('1')] })
        expect(await spool.list()).toMatchObject([{ depth: 0 }, { depth: 1, bytes: 9 }])
        const own = await stored(row('2'))
        await drain(own.mailbox)
        const back = await stored(row('3'))
        await spool.settle(await claimed(back.mailbox), { kind: 'moved', rows: [row('3')] })
        expect(await drain(back.mailbox)).toEqual(['3'])
      })

      it('lets what waits already where something is moved to take its organizations along', async () => {
        const eu = await stored(row('1', { mailbox: box('1', 'eu'), organizations: ['10'] }))
        const us = await stored(row('1', { organizations: ['11'] }))
        const moved = row('1', { mailbox: box('1', 'eu'), organizations: ['11'] })
        await spool.settle(await claimed(us.mailbox), { kind: 'moved', rows: [moved] })
        expect(await spool.next(us.mailbox)).toEqual({ kind: 'empty' })
        expect(await spool.next(eu.mailbox)).toMatchObject({ row: { id: eu.id, organizations: ['10', '11'] } })
      })

      it.each([
        ['from a mailbox', waiting],
        ['for the first time', held],
      ])('moves nothing to what is just being sent %s, so that it is not lost with it', async (_, state) => {
        const eu = await stored(row('1', { mailbox: box('1', 'eu'), organizations: ['10'], state }))
        const us = await stored(row('1', { organizations: ['11'] }))
        const sent: Claim = state === held ? { kind: 'held', row: eu.id } : await claimed(eu.mailbox)
        const moved = { kind: 'moved', rows: [row('1', { mailbox: box('1', 'eu'), organizations: ['11'] })] } as const
        await spool.settle(await claimed(us.mailbox), moved)
        expect(await spool.next(us.mailbox)).toMatchObject({
          row: { organizations: ['11'], retryAt: clock.now() + 1500 },
        })
        await spool.settle(sent, { kind: 'delivered' })
        await spool.settle(await claimed(us.mailbox), moved)
        expect(await spool.next(us.mailbox)).toEqual({ kind: 'empty' })
        expect(await spool.next(eu.mailbox)).toMatchObject({ row: { organizations: ['11'] } })
      })

      it('takes what is moved even where a region is full: it waits already', async () => {
        const { mailbox } = await stored(row('1', { mailbox: unresolved('T1') }))
        await spool.settle(await claimed(mailbox), { kind: 'moved', rows: [row('1', { maxSpoolBytes: 0 })] })
        expect(await spool.usage()).toEqual(new Map([['us', 9]]))
      })

      it('may lose its head to nothing at all', async () => {
        const { mailbox } = await stored(row('1', { mailbox: unresolved('T1') }))
        expect(await spool.settle(await claimed(mailbox), { kind: 'moved', rows: [] })).toBe(true)
        expect(await spool.usage()).toEqual(new Map())
      })

      it('settles an attempt once', async () => {
        const { mailbox } = await stored(row('1'))
        const claim = await claimed(mailbox)
        expect(await spool.settle(claim, { kind: 'delivered' })).toBe(true)
        expect(await spool.settle(claim, { kind: 'dead', reason: 'x', attempts: 1 })).toBe(false)
        expect(await namesOfDead()).toEqual([])
      })

      it('settles nothing under a fence that has passed', async () => {
        const { mailbox } = await stored(row('1'))
        const old = await claimed(mailbox)
        await spool.release(mailbox, old.fence)
        expect(await spool.settle(old, { kind: 'delivered' })).toBe(false)
        const current = await claimed(mailbox)
        expect(current.fence).not.toBe(old.fence)
        expect(await spool.settle(old, { kind: 'delivered' })).toBe(false)
        await spool.release(mailbox, old.fence)
        expect(await spool.settle(current, { kind: 'delivered' })).toBe(true)
      })
    })

    describe('a held row', () => {
      it('is sent by nobody while its first attempt runs, and holds up what came later', async () => {
        const { mailbox } = await stored(row('1', { state: held }))
        await append(row('2'))
        expect(await spool.next(mailbox)).toMatchObject({ kind: 'held' })
        expect(await spool.open()).toMatchObject([{ id: mailbox, isEmpty: false }])
      })

      it('is gone when that delivers it', async () => {
        const { mailbox, id } = await stored(row('1', { state: held }))
        await append(row('2'))
        expect(await spool.settle({ kind: 'held', row: id }, { kind: 'delivered' })).toBe(true)
        expect(await drain(mailbox)).toEqual(['2'])
      })

      it('may be settled out of turn', async () => {
        const { mailbox } = await stored(row('1', { state: held }))
        const second = await stored(row('2', { state: held }))
        expect(await spool.settle({ kind: 'held', row: second.id }, { kind: 'delivered' })).toBe(true)
        expect(await spool.next(mailbox)).toMatchObject({ kind: 'held' })
      })

      it('waits like any other when that failed', async () => {
        const { mailbox, id } = await stored(row('1', { state: held }))
        const progress = { attempts: 1, answeredFailures: 1, failingMs: 0, retryAt: NOW + 1, isAsked: false }
        expect(await spool.settle({ kind: 'held', row: id }, { kind: 'again', ...progress })).toBe(true)
        expect(await spool.next(mailbox)).toMatchObject({ row: { id, ...progress } })
        expect(await spool.settle({ kind: 'held', row: id }, { kind: 'delivered' })).toBe(false)
      })

      it('dies when that was refused', async () => {
        const { mailbox, id } = await stored(row('1', { state: held }))
        await spool.settle({ kind: 'held', row: id }, { kind: 'dead', reason: 'http_422', attempts: 1 })
        expect(await namesOfDead()).toEqual(['1'])
        expect(await spool.next(mailbox)).toEqual({ kind: 'empty' })
      })
    })

    describe('what is paused', () => {
      it('is not sent until it is resumed, and fills up meanwhile', async () => {
        const { mailbox } = await stored(row('1'))
        expect(await spool.pause(mailbox, 'refused')).toBe(true)
        await append(row('2'))
        expect(await spool.next(mailbox)).toEqual({ kind: 'paused' })
        expect(await spool.open()).toMatchObject([{ paused: 'refused', isEmpty: false }])
        expect(await spool.resume(mailbox)).toBe(true)
        expect(await drain(mailbox)).toEqual(['1', '2'])
      })

      it('may be empty, and shows all the same', async () => {
        const { mailbox } = await stored(row('1'))
        await drain(mailbox)
        expect(await spool.open()).toEqual([])
        await spool.pause(mailbox, 'by hand')
        expect(await spool.open()).toEqual([
          { id: mailbox, address: box(), paused: 'by hand', isEmpty: true, retryAt: 0 },
        ])
      })

      it('lets the attempt that runs come to its end', async () => {
        const { mailbox } = await stored(row('1'))
        const claim = await claimed(mailbox)
        await spool.pause(mailbox, 'x')
        expect(await spool.settle(claim, { kind: 'delivered' })).toBe(true)
      })
    })

    describe('the list', () => {
      it('says how much waits, since when, and what has died', async () => {
        const { mailbox } = await stored(row('1'))
        const since = clock.now()
        clock.advance(100)
        await append(row('2'), row('3', { state: dead('x') }), row('4', { mailbox: unresolved('T1') }))
        await spool.settle(await claimed(mailbox), { kind: 'again', ...NO_PROGRESS, attempts: 5, retryAt: NOW + 9 })
        expect(await spool.list()).toEqual([
          {
            id: mailbox,
            address: box(),
            paused: undefined,
            isEmpty: false,
            retryAt: NOW + 9,
            depth: 2,
            bytes: 18,
            oldestAt: since,
            headAttempts: 5,
            deadLetters: 1,
          },
          {
            id: expect.any(Number),
            address: unresolved('T1'),
            paused: undefined,
            isEmpty: false,
            retryAt: 0,
            depth: 1,
            bytes: 9,
            oldestAt: clock.now(),
            headAttempts: 0,
            deadLetters: 0,
          },
        ])
      })

      it('knows of a mailbox that is empty that nothing waits', async () => {
        const { mailbox } = await stored(row('1'))
        await drain(mailbox)
        expect(await spool.list()).toMatchObject([{ isEmpty: true, depth: 0, bytes: 0, oldestAt: undefined }])
      })
    })

    describe('dead letters', () => {
      beforeEach(async () => {
        // They die in another order than that in which they came.
        const first = await stored(row('1'))
        await append(row('2', { mailbox: box('2', 'eu'), state: dead('http_400') }))
        await append(row('3', { state: dead('http_410') }))
        await spool.settle(await claimed(first.mailbox), { kind: 'dead', reason: 'poison', attempts: 8 })
      })

      it('are shown a page at a time, the newest first', async () => {
        expect(await namesOfDead()).toEqual(['1', '3', '2'])
        const [newest] = await spool.deadLetters({}, { limit: 1 })
        const rest = await spool.deadLetters({}, { limit: 5, beforeId: newest!.id })
        expect(rest.map(({ delivery }) => delivery)).toEqual(['delivery 3', 'delivery 2'])
      })

      it.each([
        ['a reason', { reason: 'http_410' }, ['3']],
        ['a region', { region: 'eu' }, ['2']],
        ['an integration', { integration: '2' }, ['2']],
        ['an integration and a reason', { integration: '1', reason: 'poison' }, ['1']],
        ['a provider', { provider: 'slack' }, ['1', '3', '2']],
        ['another provider', { provider: 'other' }, []],
        ['no integration at all', { integration: 'x' }, []],
      ] as const)('are found and replayed by %s', async (_, filter, names) => {
        const letters = await spool.deadLetters(filter, { limit: 10 })
        expect(letters.map(({ delivery }) => delivery.replace('delivery ', ''))).toEqual(names)
        expect(await spool.replay(filter)).toBe(names.length)
        expect(await namesOfDead()).toEqual(
          ['1', '3', '2'].filter((name) => !names.some((replayed) => replayed === name)),
        )
      })

      it('are found and replayed by their id or their mailbox', async () => {
        const [newest] = await spool.deadLetters({}, { limit: 1 })
        expect(await spool.deadLetters({ mailbox: newest!.mailbox }, { limit: 10 })).toHaveLength(2)
        expect(await spool.replay({ id: newest!.id })).toBe(1)
        expect(await spool.replay({ id: newest!.id })).toBe(0)
        expect(await namesOfDead()).toEqual(['3', '2'])
      })

      /** A mailbox that was found empty is nobody's. */
      const letEmptyGo = async () => {
        for (const { id } of await spool.list()) await spool.next(id)
      }

      it('are replayed to the end of what waits, in the order in which they came', async () => {
        const { mailbox } = await stored(row('4'))
        expect(await spool.replay({})).toBe(3)
        expect(await drain(mailbox)).toEqual(['4', '1', '3'])
      })

      it('are all replayed in their order, however many there are', async () => {
        const many = Array.from({ length: 1203 }, (_, index) => row(`many ${index}`, { state: dead('http_422') }))
        await append(...many)
        expect(await spool.replay({ reason: 'http_422' })).toBe(1203)
        const waiting = await spool.waitingFor(row('').mailbox, '10', { limit: 2000 })
        expect(waiting.map(({ dedupKey }) => dedupKey)).toEqual(many.map(({ dedupKey }) => dedupKey))
      })

      it('start anew when they are replayed', async () => {
        clock.advance(60_000)
        expect(await spool.replay({ reason: 'poison' })).toBe(1)
        const [{ id } = { id: 0 }] = await spool.open()
        const next = await spool.next(id)
        expect(next).toMatchObject({
          row: { dedupKey: '1', ...NO_PROGRESS, spooledAt: clock.now(), receivedAt: NOW - 1000 },
        })
        expect(next.kind === 'row' && Buffer.from(next.row.payload.bytes).toString()).toBe('payload 1')
        expect(await spool.usage()).toEqual(new Map([['us', 9]]))
      })

      it('take along the organizations of a twin that dies as well', async () => {
        const twin = await stored(row('1', { organizations: ['11'] }))
        await spool.settle(await claimed(twin.mailbox), { kind: 'dead', reason: 'x', attempts: 1 })
        await spool.replay({ reason: 'poison' })
        expect(await spool.next(twin.mailbox)).toMatchObject({ row: { organizations: ['10', '11'] } })
      })

      it('give their organizations to a twin that waits already when they are replayed', async () => {
        await letEmptyGo()
        const twin = await stored(row('1', { organizations: ['11'] }))
        expect(await spool.replay({ reason: 'poison' })).toBe(0)
        expect(await spool.next(twin.mailbox)).toMatchObject({ row: { organizations: ['11', '10'] } })
      })

      it('stay where a twin is just being sent, which would go without them', async () => {
        const twin = await stored(row('1', { organizations: ['11'] }))
        const claim = await claimed(twin.mailbox)
        expect(await spool.replay({ reason: 'poison' })).toBe(0)
        expect(await namesOfDead()).toContain('1')
        await spool.settle(claim, { kind: 'delivered' })
        expect(await spool.replay({ reason: 'poison' })).toBe(1)
      })

      it('are not delivered beside a twin that waits already', async () => {
        await letEmptyGo()
        const { mailbox } = await stored(row('1'))
        expect(await spool.replay({ reason: 'poison' })).toBe(0)
        expect(await drain(mailbox)).toEqual(['1'])
        expect(await namesOfDead()).toEqual(['3', '2'])
      })
    })

    describe('a sweep', () => {
      const sweep = (more: { waitingSince?: number; diedBefore?: number; limit?: number }) =>
        spool.sweep({ waitingSince: 0, diedBefore: 0, limit: 100, ...more })

      it('lets die what has waited for too long', async () => {
        const { mailbox } = await stored(row('1'))
        clock.advance(1000)
        await append(row('2'))
        const died = [{ delivery: 'delivery 1', region: 'us' }]
        expect(await sweep({ waitingSince: clock.now() })).toEqual({ died, removed: 0 })
        expect(await spool.deadLetters({}, { limit: 10 })).toMatchObject([
          { delivery: 'delivery 1', reason: 'too_old', attempts: 0, diedAt: clock.now() },
        ])
        expect(await spool.usage()).toEqual(new Map([['us', 9]]))
        expect(await drain(mailbox)).toEqual(['2'])
      })

      it('leaves alone what is being sent', async () => {
        const { mailbox } = await stored(row('1'))
        await append(row('2'), row('3', { state: held, mailbox: box('2') }))
        const claim = await claimed(mailbox)
        expect(await sweep({ waitingSince: clock.now() + 1 })).toMatchObject({ died: [{ delivery: 'delivery 2' }] })
        expect(await namesOfDead()).toEqual(['2'])
        expect(await spool.settle(claim, { kind: 'delivered' })).toBe(true)
      })

      it('removes dead letters after their time', async () => {
        await append(row('1', { state: dead('x') }))
        clock.advance(1000)
        await append(row('2', { state: dead('x') }))
        expect(await sweep({ diedBefore: clock.now() })).toEqual({ died: [], removed: 1 })
        expect(await namesOfDead()).toEqual(['2'])
      })

      it('does as much as it is told to, the oldest first', async () => {
        await append(row('1'), row('2'), row('3', { state: dead('x') }), row('4', { state: dead('x') }))
        const before = { waitingSince: clock.now() + 1, diedBefore: clock.now() + 1, limit: 1 }
        expect(await spool.sweep(before)).toMatchObject({ died: [{ delivery: 'delivery 1' }], removed: 1 })
        expect(await spool.list()).toMatchObject([{ depth: 1 }])
      })
    })

    describe('an integration that is erased', () => {
      it('leaves nothing: waiting, dead, unresolved or owed', async () => {
        await append(
          row('1'),
          row('2', { mailbox: box('1', 'eu') }),
          row('3', { state: dead('x') }),
          row('4', { mailbox: unresolved('T1') }),
          row('5', { state: held }),
        )
        await spool.owe(answer('d'), soon())
        expect(await spool.erase({ provider: 'slack', integration: '1', installations: ['T1', 'T9'] })).toBe(6)
        expect(await spool.list()).toEqual([])
        expect(await spool.usage()).toEqual(new Map())
        expect(await namesOfDead()).toEqual([])
        expect(await spool.posting('d', sealed('x'))).toBe(false)
      })

      it('takes nothing of others with it', async () => {
        await append(
          row('1', { mailbox: box('2') }),
          row('2', { mailbox: unresolved('T2') }),
          row('3', { mailbox: { ...box('1'), provider: 'other' } }),
          row('4', { mailbox: { ...unresolved('T1'), provider: 'other' } }),
        )
        await spool.owe(answer('d', { integration: '2' }), soon())
        expect(await spool.erase({ provider: 'slack', integration: '1', installations: ['T1'] })).toBe(0)
        expect(await spool.list()).toHaveLength(4)
        expect(await spool.posting('d', sealed('x'))).toBe(true)
      })

      it('has nothing to settle', async () => {
        const { mailbox } = await stored(row('1'))
        const claim = await claimed(mailbox)
        const { id } = await stored(row('2', { state: held }))
        await spool.erase({ provider: 'slack', integration: '1', installations: [] })
        expect(await spool.settle(claim, { kind: 'dead', reason: 'x', attempts: 1 })).toBe(false)
        expect(await spool.settle({ kind: 'held', row: id }, { kind: 'dead', reason: 'x', attempts: 1 })).toBe(false)
        expect(await namesOfDead()).toEqual([])
        const again = await stored(row('3'))
        expect(again.mailbox).not.toBe(mailbox)
      })
    })

    describe('the lease', () => {
      it('is good from now on', async () => {
        expect(await spool.renew()).toBe(clock.monotonic() + LEASE_MS)
        clock.advance(1234)
        expect(await spool.renew()).toBe(clock.monotonic() + LEASE_MS)
      })
    })

    describe('an answer that is owed', () => {
      it('is this instance’s to say, once', async () => {
        await spool.owe(answer('d'), soon())
        expect(await spool.posting('d', sealed('hello'))).toBe(true)
        await spool.paid('d')
        expect(await spool.posting('d', sealed('hello'))).toBe(false)
      })

      it('is one for each delivery', async () => {
        await spool.owe(answer('d'), soon())
        await expect(spool.owe(answer('d'), soon())).rejects.toThrow(/database|UNIQUE/)
      })

      it('is not owed when nobody has ever said so', async () => {
        expect(await spool.posting('never', sealed('x'))).toBe(false)
        await spool.unposted('never')
        await spool.paid('never')
        expect(await spool.takeOver()).toEqual([])
      })

      it('is not taken over from oneself', async () => {
        await spool.owe(answer('d'), soon())
        clock.advance(LEASE_MS * 3)
        expect(await spool.takeOver()).toEqual([])
      })
    })

    describe('mailboxes that are looked up by their addresses', () => {
      it('are those that hold something or are paused, just as among all of them', async () => {
        const us = await stored(row('1'))
        await append(row('2', { mailbox: unresolved('T1') }), row('3', { mailbox: box('2') }))
        const drained = await stored(row('4', { mailbox: box('1', 'eu') }))
        const paused = await stored(row('5', { mailbox: box('1', 'de') }))
        await drain(drained.mailbox)
        await drain(paused.mailbox)
        await spool.pause(paused.mailbox, 'x')
        const sought = [box('1', 'eu'), box('1', 'de'), box('9'), unresolved('T2'), unresolved('T1'), box()]
        const found = await spool.at(sought)
        expect(found).toHaveLength(3)
        const all = await spool.open()
        expect(found).toEqual(expect.arrayContaining(all.filter(({ address }) => address.kind === 'unresolved')))
        expect(found).toEqual(expect.arrayContaining(all.filter(({ id }) => [us.mailbox, paused.mailbox].includes(id))))
      })

      it('are none where none is asked for', async () => {
        await append(row('1'))
        expect(await spool.at([])).toEqual([])
      })
    })

    it('tells of no change while nobody else has made one', async () => {
      await spool.open()
      await append(row('1'))
      expect(await spool.changed()).toBeUndefined()
    })

    it('tells of a change where it was never asked', async () => {
      await append(row('1'))
      expect(await spool.changed()).toMatchObject([{ isEmpty: false }])
      expect(await spool.changed()).toBeUndefined()
    })

    describe.runIf(adapter.shared)('among several instances', () => {
      let other: Spool
      beforeEach(async () => {
        other = await instance('b')
      })

      it('what one has stored the others deliver', async () => {
        const { mailbox } = await stored(row('1'))
        expect(await other.settle(await claimed(mailbox, other), { kind: 'delivered' })).toBe(true)
        expect(await spool.list()).toMatchObject([{ depth: 0 }])
      })

      it('a mailbox is worked on by one', async () => {
        const { mailbox } = await stored(row('1'))
        const claim = await claimed(mailbox)
        expect(await other.next(mailbox)).toMatchObject({ kind: 'claimed' })
        await spool.settle(claim, { kind: 'delivered' })
        await append(row('2'))
        expect(await other.next(mailbox)).toMatchObject({ kind: 'claimed' })
      })

      it.each([
        ['its head is to be sent again', (claim) => spool.settle(claim, { kind: 'again', ...NO_PROGRESS })],
        ['it was released', (claim) => spool.release(claim.mailbox, claim.fence)],
        [
          'it was found empty',
          async (claim) => {
            await spool.settle(claim, { kind: 'delivered' })
            await spool.next(claim.mailbox)
            await append(row('2'))
          },
        ],
        [
          'it was found paused',
          async (claim) => {
            await spool.pause(claim.mailbox, 'x')
            await spool.next(claim.mailbox)
            await spool.resume(claim.mailbox)
          },
        ],
        ['its instance has closed', () => goAway(spool)],
      ] satisfies [string, (claim: Claim & { kind: 'mailbox' }) => Promise<unknown>][])(
        'a mailbox is free again when %s',
        async (_, letGo) => {
          const { mailbox } = await stored(row('1'))
          await letGo(await claimed(mailbox))
          expect(await other.next(mailbox)).toMatchObject({ kind: 'row' })
        },
      )

      it('a claim goes to another once the lease has lapsed, and not before', async () => {
        const { mailbox } = await stored(row('1'))
        const lost = await claimed(mailbox)
        clock.advance(LEASE_MS - 1)
        expect(await other.next(mailbox)).toMatchObject({ kind: 'claimed' })
        clock.advance(1)
        const won = await claimed(mailbox, other)
        expect(won.fence).toBeGreaterThan(lost.fence)
        expect(await spool.next(mailbox)).toMatchObject({ kind: 'claimed' })
        expect(await spool.settle(lost, { kind: 'dead', reason: 'x', attempts: 1 })).toBe(false)
        await spool.release(mailbox, lost.fence)
        expect(await namesOfDead()).toEqual([])
        expect(await other.settle(won, { kind: 'delivered' })).toBe(true)
      })

      it.each(['renew', 'append', 'next'] as const)('a lease goes on with each write: %s', async (how) => {
        const { mailbox } = await stored(row('1'))
        await claimed(mailbox)
        clock.advance(LEASE_MS - 1)
        if (how === 'renew') await spool.renew()
        if (how === 'append') await append(row('2'))
        if (how === 'next') await spool.next(mailbox)
        clock.advance(LEASE_MS - 1)
        expect(await other.next(mailbox)).toMatchObject({ kind: 'claimed' })
      })

      it('a claim that lapsed is still good where nobody has taken it', async () => {
        const { mailbox } = await stored(row('1'))
        const claim = await claimed(mailbox)
        clock.advance(LEASE_MS * 2)
        expect(await spool.settle(claim, { kind: 'delivered' })).toBe(true)
      })

      it('a lease from before the machine was started again counts for nothing', async () => {
        const { mailbox } = await stored(row('1'))
        await append(row('2', { mailbox: box('2'), state: held }))
        await spool.owe(answer('d'), soon())
        await claimed(mailbox)
        const started = await instance('c', createManualClock({ now: clock.now() }))
        expect(await started.takeOver()).toMatchObject([{ delivery: 'd' }])
        expect(await started.next(mailbox)).toMatchObject({ kind: 'row' })
        for (const { id } of await started.open()) expect(await started.next(id)).toMatchObject({ kind: 'row' })
      })

      it('a held row is sent by another once the lease has lapsed, for the second time', async () => {
        const { mailbox, id } = await stored(row('1', { state: held }))
        expect(await other.next(mailbox)).toMatchObject({ kind: 'held' })
        clock.advance(LEASE_MS)
        expect(await other.next(mailbox)).toMatchObject({
          kind: 'row',
          row: { id, ...NO_PROGRESS, attempts: 1 },
        })
        expect(await spool.settle({ kind: 'held', row: id }, { kind: 'delivered' })).toBe(false)
      })

      it('a held row is given back by an instance that closes', async () => {
        const { mailbox } = await stored(row('1', { state: held }))
        await goAway(spool)
        expect(await other.next(mailbox)).toMatchObject({ kind: 'row' })
      })

      it('a sweep takes what only lapsed leases have', async () => {
        const { mailbox } = await stored(row('1'))
        await append(row('2', { state: held, mailbox: box('2') }))
        await claimed(mailbox)
        const before = { waitingSince: clock.now() + 1, diedBefore: 0, limit: 10 }
        expect(await other.sweep(before)).toEqual({ died: [], removed: 0 })
        clock.advance(LEASE_MS)
        expect((await other.sweep(before)).died).toHaveLength(2)
      })

      it('a change is told once, whoever made it', async () => {
        await other.open()
        await append(row('1'))
        await other.at([box()])
        expect(await other.changed()).toMatchObject([{ address: box(), isEmpty: false }])
        expect(await other.changed()).toBeUndefined()
      })

      describe('a change is told though this instance has met the mailbox since it asked', () => {
        it('empty, and then filled again', async () => {
          const { mailbox } = await stored(row('1'))
          await other.open()
          await drain(mailbox)
          expect(await other.next(mailbox)).toEqual({ kind: 'empty' })
          await append(row('2'))
          expect(await other.changed()).toMatchObject([{ address: box(), isEmpty: false }])
        })

        it('paused, and then resumed', async () => {
          const { mailbox } = await stored(row('1'))
          await other.open()
          await spool.pause(mailbox, 'by hand')
          expect(await other.next(mailbox)).toEqual({ kind: 'paused' })
          await spool.resume(mailbox)
          expect(await other.changed()).toMatchObject([{ address: box(), paused: undefined }])
        })

        it.each(['paused', 'resumed'] as const)('%s, and then written to', async (what) => {
          const { mailbox } = await stored(row('1'))
          if (what === 'resumed') await spool.pause(mailbox, 'by hand')
          await other.open()
          await (what === 'resumed' ? spool.resume(mailbox) : spool.pause(mailbox, 'by hand'))
          await other.append([row('2')], soon())
          const paused = what === 'resumed' ? undefined : 'by hand'
          expect(await other.changed()).toMatchObject([{ address: box(), paused }])
        })
      })

      it('an answer is taken over from an instance that is gone, as far as it had got', async () => {
        await spool.owe(answer('waiting'), soon())
        await spool.owe(answer('ready', { message: sealed('known', 'k2') }), soon())
        await spool.owe(answer('posting'), soon())
        await spool.posting('posting', sealed('hello'))
        await spool.owe(answer('refused', { integration: '9007199254740993' }), soon())
        await spool.posting('refused', sealed('refused message'))
        await spool.unposted('refused')
        await spool.owe(answer('paid'), soon())
        await spool.paid('paid')
        expect(await other.takeOver()).toEqual([])
        clock.advance(LEASE_MS)
        const orphans = await other.takeOver()
        const states = orphans.map(({ delivery, state }) => [
          delivery,
          state.kind,
          state.kind === 'ready' ? [state.posts, Buffer.from(state.message.bytes).toString(), state.message.keyId] : [],
        ])
        expect(states).toHaveLength(4)
        expect(states).toEqual(
          expect.arrayContaining([
            ['posting', 'posting', []],
            ['ready', 'ready', [0, 'known', 'k2']],
            ['refused', 'ready', [1, 'refused message', undefined]],
            ['waiting', 'waiting', []],
          ]),
        )
        const refused = orphans.find(({ delivery }) => delivery === 'refused')
        expect(refused).toMatchObject({
          provider: 'slack',
          integration: '9007199254740993',
          receivedAt: NOW - 1000,
          request: { keyId: 'k1' },
        })
        expect(await other.takeOver()).toEqual([])
        // The one that was thought to be gone has no say any more.
        expect(await spool.posting('waiting', sealed('late'))).toBe(false)
        await spool.paid('waiting')
        expect(await other.posting('waiting', sealed('x'))).toBe(true)
      })

      it('an answer is given back by an instance that closes', async () => {
        await spool.owe(answer('d'), soon())
        await goAway(spool)
        expect(await other.takeOver()).toMatchObject([{ delivery: 'd', state: { kind: 'waiting' } }])
      })
    })
  })
}
