import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { fetchEarlier, followOrganization, type FollowParts } from '../../../src/delivery/follow.ts'
import type { Organization } from '../../../src/directory/directory.ts'
import { createSealer } from '../../../src/spool/seal.ts'
import { NO_PROGRESS, regionOf, type MailboxAddress, type NewRow, type Spool } from '../../../src/spool/spool.ts'
import { directSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { connectSpool, type SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { mailboxIn, waitingRow } from '../../support/spool-rows.ts'

const slack = { provider: 'slack', integration: '1' } as const
const us = mailboxIn('us')
const eu = mailboxIn('eu')
const own: MailboxAddress = { ...slack, kind: 'held', organization: '10' }
const key = (id: string, fill: number) => ({ id, key: Buffer.alloc(32, fill) })
const sealer = createSealer([key('k1', 1)])
const integrations = [{ id: '1', provider: 'slack' }]
const inUs = { region: 'us', held: false }
const inEu = { region: 'eu', held: false }
const toEu = { id: '10', before: inUs, after: inEu, integrations }

let connection: SpoolConnection
let spool: Spool
beforeAll(async () => {
  connection = await connectSpool(':memory:', { waitMs: 0 })
})
beforeEach(() => {
  connection.tables.clear()
  spool = directSpool(connection, { clock: createManualClock(), instance: 'one' })
})
afterAll(() => connection.database.close())

function row(name: string, mailbox: MailboxAddress, more: Partial<NewRow> = {}): NewRow {
  const payload = sealer.seal(Buffer.from(`payload ${name}`), { delivery: name, region: regionOf(mailbox) })
  return waitingRow(name, mailbox, { payload, ...more })
}

const append = (...rows: NewRow[]) => spool.append(rows, { giveUpAt: Infinity })
const follow = (moved: Parameters<typeof followOrganization>[0], more: Partial<FollowParts> = {}) =>
  followOrganization(moved, { spool, sealer, ...more })

/** What waits there, as far as it can be opened there, with its organizations. */
async function contentOf(mailbox: MailboxAddress): Promise<string[]> {
  const rows = await Promise.all(['10', '11'].map((id) => spool.waitingFor(mailbox, id, { limit: 1000 })))
  const distinct = new Map(rows.flat().map((one) => [one.id, one]))
  return [...distinct.values()].map(({ delivery, payload, organizations }) => {
    const opened = sealer.open(payload, { delivery, region: regionOf(mailbox) })
    return `${opened.kind === 'opened' ? opened.plain.toString() : opened.kind} for ${organizations.join()}`
  })
}

describe('what waits for an organization that has moved', () => {
  it('follows it in its order, sealed for where it is then', async () => {
    await append(row('1', us), row('2', eu), row('3', us))
    expect(await follow(toEu)).toEqual({ moved: 2, busy: 0, unreadable: 0 })
    expect(await contentOf(eu)).toEqual(['payload 1 for 10', 'payload 2 for 10', 'payload 3 for 10'])
    expect(await contentOf(us)).toEqual([])
  })

  it('follows it however much it is', async () => {
    const names = Array.from({ length: 600 }, (_, at) => `${at}`)
    await append(...names.map((name) => row(name, us)))
    expect(await follow(toEu)).toMatchObject({ moved: 600 })
    expect(await contentOf(eu)).toEqual(names.map((name) => `payload ${name} for 10`))
  })

  it('stays for the others that it waits for as well, with what is known of it', async () => {
    const state = {
      kind: 'waiting',
      attempts: 4,
      answeredFailures: 3,
      failingMs: 2,
      retryAt: 1,
      isAsked: false,
    } as const
    await append(row('1', us, { organizations: ['10', '11'], state }), row('2', us, { organizations: ['11'] }))
    expect(await follow(toEu)).toMatchObject({ moved: 1 })
    expect(await contentOf(us)).toEqual(['payload 1 for 11', 'payload 2 for 11'])
    expect(await contentOf(eu)).toEqual(['payload 1 for 10'])
    expect(await spool.waitingFor(us, '11', { limit: 1 })).toMatchObject([{ attempts: 4, answeredFailures: 3 }])
    expect(await spool.waitingFor(eu, '10', { limit: 1 })).toMatchObject([NO_PROGRESS])
  })

  it('waits apart while it is held, and from then on where it lives', async () => {
    await append(row('1', us), row('2', us))
    const held = { region: 'eu', held: true }
    await follow({ ...toEu, after: held })
    expect(await contentOf(own)).toEqual(['payload 1 for 10', 'payload 2 for 10'])
    await follow({ ...toEu, before: held, after: { region: 'ap', held: true } })
    expect(await contentOf(own)).toHaveLength(2)
    await follow({ ...toEu, before: held })
    expect(await contentOf(eu)).toEqual(['payload 1 for 10', 'payload 2 for 10'])
  })

  it('follows it for every integration that it is linked to', async () => {
    const second = { ...slack, integration: '2', kind: 'region' } as const
    await append(row('1', us), row('2', { ...second, region: 'us' }))
    await follow({ ...toEu, integrations: [...integrations, { id: '2', provider: 'slack' }] })
    expect(await contentOf({ ...second, region: 'eu' })).toEqual(['payload 2 for 10'])
  })

  it('is said to stay where it is just being sent, and all that is behind it', async () => {
    const names = Array.from({ length: 120 }, (_, at) => `${at}`)
    await append(...names.map((name) => row(name, us)))
    const [open] = await spool.open()
    await spool.next(open?.id ?? 0)
    expect(await follow(toEu)).toEqual({ moved: 0, busy: 120, unreadable: 0 })
    expect(await contentOf(us)).toEqual(names.map((name) => `payload ${name} for 10`))
  })

  it('is said to stay where it cannot be opened, and does not keep the rest', async () => {
    const older = createSealer([key('k0', 9)])
    const payload = older.seal(Buffer.from('x'), { delivery: '1', region: 'us' })
    await append(row('1', us, { payload }), row('2', us))
    expect(await follow(toEu)).toEqual({ moved: 1, busy: 0, unreadable: 1 })
    expect(await contentOf(us)).toEqual(['unknown_key for 10'])
  })

  it('follows it also where gateways that have not heard of the move go on storing', async () => {
    let more = 3
    await append(row('0', us))
    const late: FollowParts['spool'] = {
      waitingFor: (...args) => spool.waitingFor(...args),
      async relocate(moves) {
        const moved = await spool.relocate(moves)
        if (more > 0) await append(row(`late ${more--}`, us))
        return moved
      },
    }
    expect(await follow(toEu, { spool: late })).toEqual({ moved: 4, busy: 0, unreadable: 0 })
    expect(await contentOf(us)).toEqual([])
  })

  it('moves where whoever works on the mailboxes knows of it', async () => {
    const told: string[][] = []
    await append(row('1', us))
    const filling: FollowParts['filling'] = async (mailboxes, work) => {
      expect(await contentOf(eu)).toEqual([])
      const followed = await work()
      told.push([...mailboxes.map(regionOf), ...(await contentOf(eu))])
      return followed
    }
    expect(await follow(toEu, { filling })).toMatchObject({ moved: 1 })
    expect(told).toEqual([['us', 'eu', 'payload 1 for 10']])
  })
})

describe('what goes before a row that is to be sent where an organization lives now', () => {
  const MOVED_AT = 1_700_000_000_000
  const UNHEARD_MS = 3_600_000
  const SETTLED_AT = MOVED_AT + UNHEARD_MS + 240_000
  const organization = {
    id: '10',
    slug: 'x',
    name: 'x',
    region: 'eu',
    status: 'active',
    epoch: 1,
    held: false,
  } as const
  const moved: Organization = { ...organization, formerly: { regions: ['us', 'ap'], until: MOVED_AT } }
  const ap = mailboxIn('ap')
  const forgotten: unknown[] = []

  const looked: MailboxAddress[] = []
  let isLocked = false

  beforeEach(() => {
    forgotten.splice(0)
    looked.splice(0)
    isLocked = false
  })

  /** What is fetched for the head of `eu`, which is claimed, and then what waits there. */
  async function fetch(one: Organization = moved, now = MOVED_AT) {
    const [open] = await spool.at([eu])
    const next = await spool.next(open?.id ?? 0)
    if (next.kind !== 'row') throw new Error(next.kind)
    const forgetFormerHomes = (...which: unknown[]): Promise<void> => {
      forgotten.push(which)
      return isLocked ? Promise.reject(new Error('the directory is locked')) : Promise.resolve()
    }
    const lookInto = (left: readonly MailboxAddress[]) => Promise.resolve(void looked.push(...left))
    const asked = { spool, sealer, now, unheardMs: UNHEARD_MS, forgetFormerHomes, lookInto }
    const fetched = await fetchEarlier(one, eu, next.row, asked)
    return [fetched, ...(await contentOf(eu)).map((text) => text.split(' ')[1])]
  }

  it('comes from wherever it has lived, and from where it was held, and nothing that goes behind', async () => {
    await append(row('1', us), row('2', own), row('3', ap), row('4', eu), row('5', us))
    expect(await fetch()).toEqual(['some', '1', '2', '3', '4'])
    expect(await contentOf(us)).toEqual(['payload 5 for 10'])
    expect(looked).toEqual([own, us, ap])
  })

  it('is nothing for one that has never moved, whatever waits elsewhere', async () => {
    await append(row('1', us), row('2', eu))
    expect(await fetch(organization)).toEqual(['nothing', '2'])
  })

  it('is waited for while it is being sent, and what is behind it stays with it', async () => {
    await append(row('1', us, { state: { kind: 'held' } }), row('2', us), row('3', eu))
    expect(await fetch()).toEqual(['busy', '3'])
    expect(await contentOf(us)).toHaveLength(2)
  })

  it('is not waited for where it is the same webhook again, which would wait for itself', async () => {
    await append(row('1', us), row('2', us), row('1', eu))
    expect(await fetch()).toEqual(['some', '2', '1'])
    expect(await fetch()).toEqual(['nothing', '2', '1'])
  })

  it('is also what has come to its mailbox by itself since the row was its head', async () => {
    const sound = spool
    await append(row('1', us), row('2', eu))
    const [waiting] = await spool.waitingFor(us, '10', { limit: 1 })
    let isFirst = true
    spool = {
      ...sound,
      async waitingFor(...asked) {
        if (isFirst) await sound.relocate([{ row: waiting?.id ?? 0, rows: [row('1', eu)] }])
        isFirst = false
        return await sound.waitingFor(...asked)
      },
    }
    expect(await fetch()).toEqual(['some', '1', '2'])
  })

  it('is not what nobody can read', async () => {
    const older = createSealer([key('k0', 9)])
    const payload = older.seal(Buffer.from('x'), { delivery: '1', region: 'us' })
    await append(row('1', us, { payload }), row('2', eu))
    expect(await fetch()).toEqual(['nothing', '2'])
  })

  it('is all that is left, once every gateway has heard of the move, and then it is forgotten', async () => {
    await append(row('1', eu), row('2', us))
    expect(await fetch(moved, SETTLED_AT - 1)).toEqual(['nothing', '1'])
    expect(await fetch(moved, SETTLED_AT)).toEqual(['some', '1', '2'])
    expect(forgotten).toEqual([])
    expect(await fetch(moved, SETTLED_AT)).toEqual(['nothing', '1', '2'])
    expect(forgotten).toEqual([['10', MOVED_AT]])
  })

  it('is nothing also where that cannot be forgotten now, and the next one tries again', async () => {
    await append(row('1', eu))
    isLocked = true
    expect(await fetch(moved, SETTLED_AT)).toEqual(['nothing', '1'])
    expect(await fetch(moved, SETTLED_AT)).toEqual(['nothing', '1'])
    expect(forgotten).toHaveLength(2)
  })
})
