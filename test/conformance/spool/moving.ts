import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  NO_PROGRESS,
  LEASE_MS,
  type Claim,
  type MailboxAddress,
  type NewRow,
  type Spool,
  type WaitingRow,
} from '../../../src/spool/spool.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { mailboxIn } from '../../support/spool-rows.ts'
import { namedRow } from './named-row.ts'
import type { Adapter, Store } from './spool.ts'

const NOW = 1_750_000_000_000
const slack = { provider: 'slack', integration: '1' } as const
const us = mailboxIn('us')
const eu = mailboxIn('eu')
const held: MailboxAddress = { ...slack, kind: 'held', organization: '10' }
const unresolved: MailboxAddress = { kind: 'unresolved', provider: 'slack', installation: 'T1' }
const row = (name: string, mailbox: MailboxAddress, more: Partial<NewRow> = {}): NewRow =>
  namedRow(name, mailbox, { organizations: ['10'], receivedAt: NOW, ...more })

/** What every spool does where an organization moves, and what waits for it follows. */
export function movingConformance(name: string, adapter: Adapter): void {
  describe(`spool, where an organization moves: ${name}`, () => {
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
    })

    async function instance(called: string): Promise<Spool> {
      const one = await store.instance(called)
      opened.push(one)
      return one
    }

    /** Stores rows, and says under which ids. */
    async function stored(...rows: NewRow[]): Promise<number[]> {
      const results = await spool.append(rows, { giveUpAt: clock.monotonic() + 1000 })
      return results.map((result) => {
        if (result.kind !== 'stored') throw new Error(`it is ${result.kind}`)
        return result.id
      })
    }

    async function idOf(mailbox: MailboxAddress): Promise<number> {
      const [open] = await spool.at([mailbox])
      if (open === undefined) throw new Error('nothing waits there')
      return open.id
    }

    async function claimed(mailbox: MailboxAddress, by = spool): Promise<Claim> {
      const id = await idOf(mailbox)
      const next = await by.next(id)
      if (next.kind !== 'row') throw new Error(`the mailbox is ${next.kind}`)
      return { kind: 'mailbox', mailbox: id, fence: next.fence, row: next.row.id }
    }

    /** Delivers everything in a mailbox, and says what came in which order. */
    async function drain(mailbox: MailboxAddress): Promise<string[]> {
      const names: string[] = []
      while ((await spool.at([mailbox])).length > 0) {
        const next = await spool.next(await idOf(mailbox))
        if (next.kind !== 'row') throw new Error(`the mailbox is ${next.kind}`)
        names.push(next.row.dedupKey)
        const { id } = next.row
        await spool.settle(
          { kind: 'mailbox', mailbox: await idOf(mailbox), fence: next.fence, row: id },
          { kind: 'delivered' },
        )
      }
      return names
    }

    const waitingFor = (mailbox: MailboxAddress, organization: string, after?: number) =>
      spool.waitingFor(mailbox, organization, { limit: 100, ...(after !== undefined && { after }) })
    const namesOf = (rows: readonly WaitingRow[]) => rows.map(({ dedupKey }) => dedupKey)
    /** Lets a row go where its whole webhook goes. */
    const to = (mailbox: MailboxAddress, id: number, called: string, more?: Partial<NewRow>) => ({
      row: id,
      rows: [row(called, mailbox, more)],
    })

    describe('the place of what has moved', () => {
      it('is before what came later, and behind what came earlier', async () => {
        await stored(row('1', eu), row('2', us), row('3', eu), row('4', us), row('5', eu))
        await spool.settle(await claimed(us), { kind: 'moved', rows: [row('2', eu)] })
        await spool.settle(await claimed(us), { kind: 'moved', rows: [row('4', eu)] })
        expect(await drain(eu)).toEqual(['1', '2', '3', '4', '5'])
      })

      it('is kept however often it moves', async () => {
        await stored(row('1', eu), row('2', us), row('3', eu))
        await spool.settle(await claimed(us), { kind: 'moved', rows: [row('2', held)] })
        await stored(row('4', held))
        await spool.settle(await claimed(held), { kind: 'moved', rows: [row('2', eu)] })
        await spool.settle(await claimed(held), { kind: 'moved', rows: [row('4', eu)] })
        expect(await drain(eu)).toEqual(['1', '2', '3', '4'])
      })

      it('is the same in each of its new mailboxes, and in the one that it was in', async () => {
        await stored(row('1', us, { organizations: ['10', '11', '12'] }), row('2', us), row('3', eu), row('4', held))
        const rows = [
          row('1', eu, { organizations: ['10'] }),
          row('1', held, { organizations: ['11'] }),
          row('1', us, { organizations: ['12'] }),
        ]
        await spool.settle(await claimed(us), { kind: 'moved', rows })
        expect(await drain(us)).toEqual(['1', '2'])
        expect(await drain(eu)).toEqual(['1', '3'])
        expect(await drain(held)).toEqual(['1', '4'])
      })

      it('is kept by what had no home yet', async () => {
        await stored(row('1', unresolved), row('2', us))
        await spool.settle(await claimed(unresolved), { kind: 'moved', rows: [row('1', us)] })
        expect(await drain(us)).toEqual(['1', '2'])
      })

      it('is with it since when it has been waiting: where it comes, it is no younger', async () => {
        const [, last = 0] = await stored(row('1', us), row('2', us, { organizations: ['10', '11'] }))
        clock.advance(60_000)
        const rows = [row('2', held), row('2', us, { organizations: ['11'] })]
        expect(await spool.relocate([{ row: last, rows }])).toBe(1)
        await spool.settle(await claimed(us), { kind: 'moved', rows: [row('1', eu)] })
        await stored(row('3', eu))
        const since = async (mailbox: MailboxAddress, organization: string) =>
          (await waitingFor(mailbox, organization)).map(({ spooledAt }) => spooledAt)
        const now = clock.now()
        expect(await since(eu, '10')).toEqual([now - 60_000, now])
        expect(await since(held, '10')).toEqual([now - 60_000])
        expect(await since(us, '11')).toEqual([now - 60_000])
      })

      it('makes it the head that the list of mailboxes tells of', async () => {
        const [first = 0] = await stored(row('1', us))
        await stored(row('2', eu, { state: { kind: 'waiting', ...NO_PROGRESS, attempts: 3, retryAt: NOW + 9 } }))
        await spool.relocate([to(eu, first, '1')])
        const [listed] = (await spool.list()).filter(({ depth }) => depth > 0)
        expect(listed).toMatchObject({ address: eu, depth: 2, headAttempts: 0, retryAt: 0 })
      })
    })

    describe('what waits for an organization', () => {
      it('is in the order of its mailbox, whole', async () => {
        const [first = 0] = await stored(row('1', us), row('2', eu), row('3', eu, { organizations: ['11'] }))
        await stored(row('4', eu, { organizations: ['11', '10'] }))
        await spool.relocate([to(eu, first, '1')])
        const rows = await waitingFor(eu, '10')
        expect(namesOf(rows)).toEqual(['1', '2', '4'])
        expect(rows[2]).toMatchObject({ delivery: 'delivery 4', organizations: ['11', '10'], ...NO_PROGRESS })
        expect(Buffer.from(rows[2]?.payload.bytes ?? []).toString()).toBe('payload 4')
      })

      it('is told a page at a time, from the row after', async () => {
        const [first = 0, second = 0] = await stored(row('1', eu), row('2', us), row('3', eu), row('4', us))
        await spool.relocate([to(eu, second, '2')])
        expect(namesOf(await spool.waitingFor(eu, '10', { limit: 2 }))).toEqual(['1', '2'])
        const rest = await waitingFor(eu, '10', first)
        expect(namesOf(rest)).toEqual(['2', '3'])
        expect(namesOf(await waitingFor(eu, '10', rest[0]?.id))).toEqual(['3'])
      })

      it('is in that order for whomever else it waits as well, however many they are', async () => {
        const others = Array.from({ length: 3000 }, (_, at) => `${1000 + at}`)
        const setsOf = [['10'], ['11'], ['11', '10'], ['10', ...others], ['10'], others]
        const rows = setsOf.map((organizations, at) => row(`${at + 1}`, us, { organizations }))
        const ids = await stored(...rows)
        expect(namesOf(await waitingFor(us, '10'))).toEqual(['1', '3', '4', '5'])
        expect(namesOf(await spool.waitingFor(us, '10', { limit: 3 }))).toEqual(['1', '3', '4'])
        expect(namesOf(await waitingFor(us, '10', ids[2]))).toEqual(['4', '5'])
        expect(namesOf(await waitingFor(us, '3999'))).toEqual(['4', '6'])
      })

      it('is told up to the place of a row that waits anywhere', async () => {
        const [first = 0] = await stored(row('1', us))
        const [second = 0] = await stored(row('2', eu), row('3', us))
        await spool.relocate([to(eu, first, '1')])
        await stored(row('4', us))
        expect(namesOf(await spool.waitingFor(us, '10', { limit: 9, before: second }))).toEqual([])
        const [last = 0] = await stored(row('5', eu))
        expect(namesOf(await spool.waitingFor(us, '10', { limit: 9, before: last }))).toEqual(['3', '4'])
        expect(namesOf(await spool.waitingFor(eu, '10', { limit: 9, before: second }))).toEqual(['1'])
        await spool.relocate([to(us, last, '5')])
        expect(namesOf(await spool.waitingFor(us, '10', { limit: 9, before: last }))).toEqual([])
      })

      it('is told whether or not somebody sends it', async () => {
        await stored(row('1', us), row('2', us, { state: { kind: 'held' } }))
        await claimed(us)
        expect(namesOf(await waitingFor(us, '10'))).toEqual(['1', '2'])
      })

      it('is nothing in a mailbox that is not there, nor for an organization whose id is a part of one', async () => {
        await stored(row('1', us, { organizations: ['110', '101'] }))
        expect(await waitingFor(eu, '10')).toEqual([])
        expect(await waitingFor(us, '10')).toEqual([])
        expect(await waitingFor(us, '1')).toEqual([])
      })
    })

    describe('what is relocated', () => {
      it('waits there and nowhere else, and is counted there', async () => {
        const ids = await stored(row('1', us), row('2', us), row('3', us))
        expect(await spool.relocate([to(held, ids[0] ?? 0, '1'), to(held, ids[2] ?? 0, '3')])).toBe(2)
        expect(await spool.usage()).toEqual(
          new Map([
            ['us', 9],
            ['@10', 18],
          ]),
        )
        expect((await spool.list()).map(({ address, depth, bytes }) => ({ address, depth, bytes }))).toEqual([
          { address: us, depth: 1, bytes: 9 },
          { address: held, depth: 2, bytes: 18 },
        ])
        expect(await drain(us)).toEqual(['2'])
        expect(await drain(held)).toEqual(['1', '3'])
        expect(await spool.usage()).toEqual(new Map())
      })

      it('goes where a region is full: it waits already', async () => {
        const [id = 0] = await stored(row('1', us))
        expect(await spool.relocate([to(eu, id, '1', { maxSpoolBytes: 0 })])).toBe(1)
      })

      it('is neither the head that somebody sends nor anything behind it', async () => {
        const ids = await stored(row('1', us), row('2', us))
        const claim = await claimed(us)
        expect(await spool.relocate([to(eu, ids[0] ?? 0, '1'), to(eu, ids[1] ?? 0, '2')])).toBe(0)
        expect(await spool.settle(claim, { kind: 'moved', rows: [row('1', eu)] })).toBe(true)
        expect(namesOf(await waitingFor(us, '10'))).toEqual(['2'])
      })

      it('is nothing behind one that is on its way for the first time, but what is before it', async () => {
        const ids = await stored(row('1', us), row('2', us, { state: { kind: 'held' } }), row('3', us))
        expect(await spool.relocate(ids.map((id, at) => to(eu, id, String(at + 1))))).toBe(1)
        expect(namesOf(await waitingFor(us, '10'))).toEqual(['2', '3'])
        expect(await drain(eu)).toEqual(['1'])
      })

      it('is what is behind one that has gone meanwhile', async () => {
        const [first = 0] = await stored(row('1', us))
        const mailbox = await idOf(us)
        await drain(us)
        await spool.next(mailbox)
        const [second = 0] = await stored(row('2', us))
        expect(await spool.relocate([to(eu, first, '1'), to(eu, second, '2')])).toBe(1)
        expect(await drain(eu)).toEqual(['2'])
      })

      it('is nothing behind one whose webhook is just being sent from where it is to go', async () => {
        const ids = await stored(row('1', us), row('2', us))
        await stored(row('1', eu, { organizations: ['11'] }))
        await claimed(eu)
        expect(await spool.relocate([to(eu, ids[0] ?? 0, '1'), to(eu, ids[1] ?? 0, '2')])).toBe(0)
        expect(namesOf(await waitingFor(us, '10'))).toEqual(['1', '2'])
      })

      it('goes before a head that is being sent, which stays what it is', async () => {
        const [before = 0] = await stored(row('1', us))
        const [head = 0] = await stored(row('2', eu), row('3', eu))
        const sent = await claimed(eu)
        await spool.relocate([to(eu, before, '1')])
        expect(await spool.relocate([to(us, head, '2')])).toBe(0)
        await stored(row('2', us, { organizations: ['11'] }))
        await spool.settle(await claimed(us), { kind: 'moved', rows: [row('2', eu, { organizations: ['11'] })] })
        expect(await waitingFor(us, '11')).toHaveLength(1)
        expect(await spool.settle(sent, { kind: 'again', ...NO_PROGRESS, attempts: 1 })).toBe(true)
        expect(await drain(eu)).toEqual(['1', '2', '3'])
      })

      it('is not what is on its way for the first time', async () => {
        const [id = 0] = await stored(row('1', us, { state: { kind: 'held' } }))
        expect(await spool.relocate([to(eu, id, '1')])).toBe(0)
        expect(await spool.settle({ kind: 'held', row: id }, { kind: 'delivered' })).toBe(true)
      })

      it('is not what has gone meanwhile, and leaves nothing behind of it', async () => {
        const [id = 0] = await stored(row('1', us))
        await drain(us)
        expect(await spool.relocate([to(eu, id, '1')])).toBe(0)
        expect(await spool.usage()).toEqual(new Map())
      })

      it('is not what has got organizations since it was read, which would be lost', async () => {
        const [id = 0] = await stored(row('1', us))
        await stored(row('1', eu, { organizations: ['11'] }))
        await spool.settle(await claimed(eu), { kind: 'moved', rows: [row('1', us, { organizations: ['11'] })] })
        expect(await spool.relocate([to(held, id, '1')])).toBe(0)
        expect(await waitingFor(us, '11')).toMatchObject([{ organizations: ['10', '11'] }])
      })

      it('leaves the rest of its organizations where they are, in its place', async () => {
        const [id = 0] = await stored(row('1', us, { organizations: ['10', '11'] }), row('2', us))
        const rows = [row('1', us, { organizations: ['11'] }), row('1', eu, { organizations: ['10'] })]
        expect(await spool.relocate([{ row: id, rows }])).toBe(1)
        expect(await waitingFor(us, '11')).toMatchObject([{ organizations: ['11'] }])
        expect(await drain(us)).toEqual(['1', '2'])
        expect(await drain(eu)).toEqual(['1'])
      })

      it('goes with the same webhook where that waits already', async () => {
        const [id = 0] = await stored(row('1', us))
        await stored(row('1', eu, { organizations: ['11'] }))
        expect(await spool.relocate([to(eu, id, '1')])).toBe(1)
        expect(await waitingFor(eu, '10')).toMatchObject([{ organizations: ['11', '10'] }])
        expect(await waitingFor(us, '10')).toEqual([])
        expect(await drain(eu)).toEqual(['1'])
      })

      it('stays while the same webhook is being sent from there', async () => {
        const [id = 0] = await stored(row('1', us))
        await stored(row('1', eu, { organizations: ['11'] }))
        const sent = await claimed(eu)
        expect(await spool.relocate([to(eu, id, '1')])).toBe(0)
        expect(await waitingFor(us, '10')).toMatchObject([{ id, ...NO_PROGRESS }])
        await spool.settle(sent, { kind: 'delivered' })
        expect(await spool.relocate([to(eu, id, '1')])).toBe(1)
        expect(await drain(eu)).toEqual(['1'])
      })
    })

    describe('what is relocated to a mailbox that its mover has claimed and sends nothing of', () => {
      it('goes with the same webhook there, head or not', async () => {
        const [first = 0, second = 0] = await stored(row('1', us), row('2', us))
        const [head = 0] = await stored(row('1', eu, { organizations: ['11'] }))
        await claimed(eu)
        expect(await spool.relocate([to(eu, second, '2')], { unsent: head })).toBe(1)
        const { row: unsent } = await claimed(eu)
        expect(await spool.relocate([to(eu, first, '1')], { unsent })).toBe(1)
        expect(await waitingFor(eu, '11')).toMatchObject([{ organizations: ['11', '10'] }])
        expect(await drain(eu)).toEqual(['2', '1'])
      })

      it('stays while the same webhook is on its way from there for the first time', async () => {
        const [id = 0] = await stored(row('1', us))
        const [unsent = 0] = await stored(row('2', eu), row('1', eu, { state: { kind: 'held' } }))
        await claimed(eu)
        expect(await spool.relocate([to(eu, id, '1')], { unsent })).toBe(0)
      })

      it('is not the head that is sent from where it is', async () => {
        const [id = 0] = await stored(row('1', us))
        const [unsent = 0] = await stored(row('2', eu))
        await claimed(us)
        await claimed(eu)
        expect(await spool.relocate([to(eu, id, '1')], { unsent })).toBe(0)
      })
    })

    describe('dead letters', () => {
      it('are replayed in the order in which their webhooks came, wherever they were then', async () => {
        await stored(row('1', us), row('2', eu))
        await spool.settle(await claimed(eu), { kind: 'dead', reason: 'x', attempts: 1 })
        await spool.settle(await claimed(us), { kind: 'moved', rows: [row('1', eu)] })
        await spool.settle(await claimed(eu), { kind: 'dead', reason: 'x', attempts: 1 })
        expect(await spool.replay({})).toBe(2)
        expect(await drain(eu)).toEqual(['1', '2'])
      })
    })

    describe.runIf(adapter.shared)('among several instances', () => {
      it('what one sends is not relocated by another', async () => {
        const other = await instance('b')
        const ids = await stored(row('1', us), row('2', us, { state: { kind: 'held' } }), row('3', us))
        await claimed(us)
        const moves = ids.map((id, at) => to(eu, id, String(at + 1)))
        expect(await other.relocate(moves)).toBe(0)
        expect(namesOf(await other.waitingFor(us, '10', { limit: 9 }))).toEqual(['1', '2', '3'])
      })

      it('what another has claimed since is being sent, whoever says that it is not', async () => {
        const other = await instance('b')
        const [id = 0] = await stored(row('1', us))
        const [unsent = 0] = await stored(row('1', eu, { organizations: ['11'] }))
        await claimed(eu, other)
        expect(await spool.relocate([to(eu, id, '1')], { unsent })).toBe(0)
        expect(await waitingFor(eu, '11')).toMatchObject([{ organizations: ['11'] }])
      })

      it('what an instance has left whose lease has lapsed is relocated, and is nothing of its own any more', async () => {
        const other = await instance('b')
        const ids = await stored(row('1', us), row('2', us, { state: { kind: 'held' } }))
        const claim = await claimed(us)
        clock.advance(LEASE_MS)
        expect(await other.relocate(ids.map((id, at) => to(eu, id, String(at + 1))))).toBe(2)
        expect(await spool.settle(claim, { kind: 'delivered' })).toBe(false)
        expect(await spool.settle({ kind: 'held', row: ids[1] ?? 0 }, { kind: 'delivered' })).toBe(false)
        expect(await drain(eu)).toEqual(['1', '2'])
      })

      it('a sweep leaves the head that another sends, by its place', async () => {
        const other = await instance('b')
        const [id = 0] = await stored(row('1', us))
        await stored(row('2', eu))
        await spool.relocate([to(eu, id, '1')])
        const sent = await claimed(eu)
        await other.sweep({ waitingSince: clock.now() + 1, diedBefore: 0, limit: 10 })
        expect(await spool.settle(sent, { kind: 'delivered' })).toBe(true)
      })

      it('a sweep leaves the head that another sends, though something has moved in before it', async () => {
        const other = await instance('b')
        const [id = 0] = await stored(row('1', us))
        await stored(row('2', eu))
        const sent = await claimed(eu)
        await spool.relocate([to(eu, id, '1')])
        await other.sweep({ waitingSince: clock.now() + 1, diedBefore: 0, limit: 10 })
        expect(await spool.settle(sent, { kind: 'delivered' })).toBe(true)
      })

      it('a move is told to the others as a change', async () => {
        const other = await instance('b')
        const [id = 0] = await stored(row('1', us))
        await other.open()
        await spool.relocate([to(eu, id, '1')])
        expect(await other.changed()).toMatchObject([{ address: eu }])
      })
    })
  })
}
