import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, type Clock } from '../../../src/clock.ts'
import { openPostgresSpool } from '../../../src/spool/postgres/postgres-spool.ts'
import { statements } from '../../../src/spool/postgres/statements.ts'
import { LEASE_MS, type Next, type Spool } from '../../../src/spool/spool.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { answer, becomes, box, databaseAt, drain, row } from './postgres-rows.ts'

describe.skipIf(!testsPostgres())('a spool on PostgreSQL', () => {
  let server: PostgresServer
  let url: string
  let opened: { close(): Promise<void> }[]
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close(), 60_000)
  beforeEach(async () => {
    url = await server.createDatabase()
    opened = []
  })
  afterEach(async () => {
    for (const one of opened) await one.close()
  })

  async function open(instance = 'a', clock: Clock = systemClock): Promise<Spool> {
    const spool = await openPostgresSpool(databaseAt(url), { clock, instance })
    opened.push(spool)
    return spool
  }

  const tenInstances = () => Promise.all(Array.from({ length: 10 }, (_, at) => open(`instance ${at}`)))

  /** Somebody else in the same database. */
  async function another(): Promise<Client> {
    const client = new Client(url)
    await client.connect()
    opened.unshift({ close: () => client.end() })
    return client
  }

  const inTime = () => ({ giveUpAt: systemClock.monotonic() + 20_000 })
  const inASecond = (clock: Clock) => ({ giveUpAt: clock.monotonic() + 1000 })

  async function stored(spool: Spool, name: string) {
    const [result] = await spool.append([row(name)], inTime())
    if (result?.kind !== 'stored') throw new Error(`it is ${result?.kind}`)
    return result
  }

  /** Resolves when somebody waits for a lock. */
  const somebodyWaits = (client: Client) =>
    becomes(async () => (await client.query('select from pg_locks where not granted')).rowCount !== 0)

  describe('among ten instances', () => {
    it('a mailbox that all of them claim at once is given to one', async () => {
      const spools = await tenInstances()
      for (let round = 0; round < 10; round++) {
        const { mailbox } = await stored(spools[0]!, `${round}`)
        const outcomes = await Promise.all(spools.map((spool) => spool.next(mailbox)))
        const won = outcomes.filter((next): next is Next & { kind: 'row' } => next.kind === 'row')
        expect(won).toHaveLength(1)
        expect(outcomes.filter(({ kind }) => kind === 'claimed')).toHaveLength(9)
        const winner = spools[outcomes.findIndex(({ kind }) => kind === 'row')]!
        const claim = { kind: 'mailbox', mailbox, fence: won[0]!.fence, row: won[0]!.row.id } as const
        const settled = await Promise.all(spools.map((spool) => spool.settle(claim, { kind: 'delivered' })))
        expect(settled.filter(Boolean)).toHaveLength(1)
        await winner.release(mailbox, claim.fence)
      }
    })

    it('a webhook that all of them store at once is stored once, in a mailbox that is made once', async () => {
      const spools = await tenInstances()
      for (let round = 0; round < 10; round++) {
        const one = row(`${round}`, { mailbox: box(`${round + 1}`) })
        const results = await Promise.all(spools.map((spool) => spool.append([one], inTime())))
        expect(
          results
            .flat()
            .map(({ kind }) => kind)
            .toSorted(),
        ).toEqual([...Array(9).fill('duplicate'), 'stored'])
      }
      expect(await spools[0]!.list()).toHaveLength(10)
    })

    it('none exceeds the quota that all of them fill', async () => {
      const spools = await tenInstances()
      const results = await Promise.all(
        Array.from({ length: 200 }, (_, n) =>
          spools[n % 10]!.append([row(`${100 + n}`, { maxSpoolBytes: 1100 })], inTime()),
        ),
      )
      expect(results.flat().filter(({ kind }) => kind === 'stored')).toHaveLength(100)
      expect(await spools[0]!.usage()).toEqual(new Map([['us', 1100]]))
    })

    it('what they store in many mailboxes and deliver from them at the same time is counted to the byte', async () => {
      const spools = await tenInstances()
      const names = Array.from({ length: 60 }, (_, n) => `${n}`)
      const mailboxes = [...Array(6).keys()].map((n) => box(`${n % 3}1`, n % 2 === 0 ? 'us' : 'eu'))
      const delivered: string[] = []
      const stores = names.map((name, n) => {
        // Backwards in every other, so that those who took locks in the order of their rows would stand in each other's way.
        const rows = mailboxes.map((mailbox, at) => row(`${name} ${at}`, { mailbox }))
        return spools[n % 10]!.append(n % 2 === 0 ? rows : rows.toReversed(), inTime())
      })
      await Promise.all(stores)
      const open = await spools[0]!.open()
      expect(open).toHaveLength(6)
      await Promise.all(
        spools.map(async (spool) => {
          for (const { id } of open) delivered.push(...(await drain(spool, id)))
        }),
      )
      expect(delivered).toHaveLength(360)
      expect(new Set(delivered).size).toBe(360)
      expect(await spools[0]!.usage()).toEqual(new Map())
      for (const { depth, bytes } of await spools[0]!.list()) expect([depth, bytes]).toEqual([0, 0])
    })

    it('an answer that all of them take over at once is taken over by one', async () => {
      const gone = await open('gone')
      await gone.owe(answer('d'), inTime())
      await gone.close()
      const taken = await Promise.all((await tenInstances()).map((spool) => spool.takeOver()))
      expect(taken.flat()).toHaveLength(1)
    })
  })

  it('knows of many mailboxes, some of them paused, that nobody else has changed them, and when somebody has', async () => {
    const [spool, other] = [await open('a'), await open('b')]
    const rows = Array.from({ length: 50 }, (_, n) => row(`${n}`, { mailbox: box(`${n + 1}`) }))
    await other.append(rows, inTime())
    const ids = (await other.open()).map(({ id }) => id)
    for (const id of ids.slice(0, 5)) await other.pause(id, 'x')
    expect(await spool.changed()).toHaveLength(50)
    expect(await spool.changed()).toBeUndefined()
    await drain(spool, ids[10]!)
    await spool.append([row('more')], inTime())
    expect(await spool.changed()).toBeUndefined()
    await other.resume(ids[0]!)
    expect(await spool.changed()).toHaveLength(49)
    await drain(other, ids[20]!)
    expect(await spool.changed()).toHaveLength(48)
  })

  describe('calls that come together', () => {
    it('share one commit', async () => {
      const spool = await open()
      await Promise.all(Array.from({ length: 50 }, (_, n) => spool.append([row(`${n}`)], inTime())))
      const client = await another()
      const { rows } = await client.query('select count(distinct xmin::text)::int as transactions from waiting')
      expect(rows).toEqual([{ transactions: 1 }])
    })

    it('fail for the one at fault alone', async () => {
      const spool = await open()
      const calls = [row('1'), row('2', { delivery: 'no text holds a \0' }), row('3')]
      const results = await Promise.allSettled(calls.map((one) => spool.append([one], inTime())))
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(await spool.list()).toMatchObject([{ depth: 2 }])
    })

    it('keep their order where they concern one mailbox', async () => {
      const spool = await open()
      const { mailbox } = await stored(spool, '1')
      await stored(spool, '2')
      const next = await spool.next(mailbox)
      if (next.kind !== 'row') throw new Error(`it is ${next.kind}`)
      const claim = { kind: 'mailbox', mailbox, fence: next.fence, row: next.row.id } as const
      const [, second, , third] = await Promise.all([
        spool.settle(claim, { kind: 'delivered' }),
        spool.next(mailbox),
        spool.release(mailbox, next.fence),
        spool.next(mailbox),
      ])
      expect(second).toMatchObject({ kind: 'row', fence: next.fence, row: { dedupKey: '2' } })
      expect(third).toMatchObject({ kind: 'row', fence: next.fence + 1, row: { dedupKey: '2' } })
    })
  })

  describe('a lease', () => {
    it('is measured on the clock of the database, whatever that of a machine says', async () => {
      const slow = await open('slow', createManualClock({ now: 0 }))
      const { mailbox } = await stored(slow, '1')
      await slow.next(mailbox)
      const fast = createManualClock()
      fast.advance(1_000_000_000)
      expect(await (await open('fast', fast)).next(mailbox)).toMatchObject({ kind: 'claimed' })
    })

    it('that ends too far ahead is from before that clock was set back, and counts for nothing', async () => {
      const spool = await open()
      const { mailbox } = await stored(spool, '1')
      await spool.next(mailbox)
      await (await another()).query("update instances set lease_until = lease_until + 60000 where id = 'a'")
      expect(await (await open('b')).next(mailbox)).toMatchObject({ kind: 'row' })
    })

    it('is said to be good from before it was asked for, however long the database took', async () => {
      const clock = createManualClock()
      const spool = await open('a', clock)
      const other = await another()
      await other.query("begin; select from instances where id = 'a' for update")
      const before = clock.monotonic()
      const renewed = spool.renew()
      await somebodyWaits(other)
      clock.advance(700)
      await other.query('commit')
      expect(await renewed).toBe(before + LEASE_MS)
    })
  })

  describe('what is given up', () => {
    it('is not stored while another transaction is in the way, nor later', async () => {
      const clock = createManualClock()
      const spool = await open('a', clock)
      await spool.append([row('0')], inASecond(clock))
      const other = await another()
      await other.query("begin; select from spool_usage where region = 'us' for update")
      const refused = spool.append([row('1')], inASecond(clock)).catch(String)
      const neighbour = spool.append([row('2')], { giveUpAt: clock.monotonic() + 2000 })
      await somebodyWaits(other)
      clock.advance(1000)
      expect(await refused).toMatch(/^Error: the database test_\d+ at 127\.0\.0\.1:\d+ did not take it in time$/)
      await other.query('commit')
      expect(await neighbour).toMatchObject([{ kind: 'stored' }])
      expect(await spool.list()).toMatchObject([{ depth: 2 }])
    })

    it('is not stored when it was never begun', async () => {
      const clock = createManualClock()
      const spool = await open('a', clock)
      const refused = spool.append([row('1')], inASecond(clock)).catch(String)
      clock.advance(1000)
      expect(await refused).toContain('did not take it in time')
      expect(await spool.list()).toEqual([])
    })
  })

  describe('a database that fails', () => {
    it('makes one of two transactions that wait for each other begin again', async () => {
      const other = await another()
      // Whoever looks first whether there is a deadlock loses it: it is to be the spool.
      await other.query(`alter database ${new URL(url).pathname.slice(1)} set deadlock_timeout = '1500ms'`)
      await other.query("set deadlock_timeout = '60s'")
      const spool = await open()
      await stored(spool, '0')
      await other.query("begin; select from spool_usage where region = 'us' for update")
      const appended = spool.append([row('1')], inTime())
      await somebodyWaits(other)
      await other.query('select from mailboxes for update')
      await other.query('commit')
      expect(await appended).toMatchObject([{ kind: 'stored' }])
      await becomes(async () => {
        const found = await other.query<{ deadlocks: number }>(
          'select deadlocks::int from pg_stat_database where datname = current_database()',
        )
        return found.rows[0]!.deadlocks > 0
      })
    })

    it('does not answer in time where somebody keeps a mailbox, and does once that is over', async () => {
      const spool = await open()
      const { mailbox } = await stored(spool, '1')
      const other = await another()
      await other.query('begin; select from mailboxes for update')
      await expect(spool.next(mailbox)).rejects.toThrow(
        /^the database test_\d+ at 127\.0\.0\.1:\d+ did not answer in time$/,
      )
      await other.query('rollback')
      expect(await spool.next(mailbox)).toMatchObject({ kind: 'row' })
    })

    it('lets nobody notice that its connections were ended while they were idle or busy', async () => {
      const spool = await open()
      const other = await another()
      await stored(spool, '0')
      for (let round = 1; round <= 20; round++) {
        const appends = Array.from({ length: 10 }, (_, n) => spool.append([row(`${round} ${n}`)], inTime()))
        await other.query(`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`)
        const results = await Promise.all(appends)
        expect(results.flat().every(({ kind }) => kind === 'stored')).toBe(true)
      }
      expect(await spool.list()).toMatchObject([{ depth: 201 }])
    })

    it('is read-only as long as it is', async () => {
      const spool = await open()
      const other = await another()
      const name = new URL(url).pathname.slice(1)
      const restart = () =>
        other.query(`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`)
      await other.query(`alter database ${name} set default_transaction_read_only = on`)
      await restart()
      await expect(spool.append([row('1')], inTime())).rejects.toThrow(/ is read-only$/)
      expect(await spool.usage()).toEqual(new Map())
      await other.query(`begin read write; alter database ${name} reset default_transaction_read_only; commit`)
      await restart()
      expect(await spool.append([row('1')], inTime())).toMatchObject([{ kind: 'stored' }])
    })

    it('cannot be opened where there is none, which is told without its password', async () => {
      url = 'postgres://somebody:secret@127.0.0.1:1/nothing'
      const error: unknown = await open().catch((reason: unknown) => reason)
      expect(String(error)).toContain('cannot open the database nothing at 127.0.0.1:1: connect ECONNREFUSED')
      expect(String(error)).not.toContain('secret')
    })
  })

  it('finds what waits for an organization without looking at what waits for others', async () => {
    await open()
    const other = await another()
    // Empty tables are read whole where that can be helped at all.
    await other.query('set enable_seqscan = off; set enable_bitmapscan = off')
    const asked = [1, 'slack', '', 'us', null, null, '10', 50]
    const explained = await other.query<{ 'QUERY PLAN': string }>(`explain ${statements.waitingFor.text}`, asked)
    const lines = explained.rows.map((line) => line['QUERY PLAN'].trim())
    const conditions = lines.filter(
      (line, at) => line.startsWith('Index Cond') && lines[at - 1]?.includes('waiting_for'),
    )
    expect(conditions).toEqual([
      expect.stringMatching(/^Index Cond: \(mailbox_id = [^ ]+\)$/),
      expect.stringMatching(/hashtextextended\(.*\) > sets(_\d)?\.hash\)/),
      expect.stringMatching(/hashtextextended\(.*\) = sets\.hash\) AND \(COALESCE\(.*\) > .* AND \(COALESCE\(.*\) < /),
    ])
  })

  it('takes nothing once it is closed, and leaves no connection', async () => {
    const spool = await open()
    await stored(spool, '1')
    await spool.close()
    const closed = /^the database test_\d+ at 127\.0\.0\.1:\d+ is closed$/
    await expect(spool.append([row('2')], inTime())).rejects.toThrow(closed)
    await expect(spool.open()).rejects.toThrow(closed)
    const other = await another()
    await becomes(async () => {
      const others = await other.query(
        'select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
      return others.rowCount === 0
    })
  })
})
