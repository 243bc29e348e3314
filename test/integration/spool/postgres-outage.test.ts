import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, type Clock } from '../../../src/clock.ts'
import { openPostgresSpool } from '../../../src/spool/postgres/postgres-spool.ts'
import type { NewRow, Spool } from '../../../src/spool/spool.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { startPostgresProxy, type PostgresProxy } from '../../support/postgres-proxy.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { answer, becomes, box, databaseAt, drain, row } from './postgres-rows.ts'

const sources = join(import.meta.dirname, '../../../src')
const imported = (file: string) => JSON.stringify(pathToFileURL(join(sources, file)))

describe.skipIf(!testsPostgres())('a spool on PostgreSQL, where something is gone', () => {
  let server: PostgresServer
  let url: string
  let opened: { close(): Promise<void> }[]
  beforeAll(async () => {
    server = await startPostgres({ durable: true })
  }, 60_000)
  afterAll(() => server.close(), 60_000)
  beforeEach(async () => {
    url = await server.createDatabase()
    opened = []
  })
  afterEach(async () => {
    for (const one of opened) await one.close()
  })

  async function open(instance = 'a', { clock = systemClock, at = url }: { clock?: Clock; at?: string } = {}) {
    const spool = await openPostgresSpool(databaseAt(at), { clock, instance })
    opened.unshift(spool)
    return spool
  }

  const inTime = (clock: Clock = systemClock) => ({ giveUpAt: clock.monotonic() + 10_000 })

  describe('an instance that was killed', () => {
    it('is gone on for once its lease has lapsed: its mailbox, its held row, its owed answer', async () => {
      const other = await open('b')
      const script = `
        const { openPostgresSpool } = await import(${imported('spool/postgres/postgres-spool.ts')})
        const { systemClock: clock } = await import(${imported('clock.ts')})
        const spool = await openPostgresSpool(${JSON.stringify(databaseAt(url))}, { clock, instance: 'killed' })
        const soon = () => ({ giveUpAt: clock.monotonic() + 5000 })
        const bytes = { payload: { keyId: undefined, bytes: new Uint8Array(1) } }
        const [claimed] = await spool.append([{ ...${JSON.stringify(row('claimed'))}, ...bytes }], soon())
        await spool.next(claimed.mailbox)
        const held = ${JSON.stringify(row('held', { mailbox: box('2'), state: { kind: 'held' } }))}
        await spool.append([{ ...held, ...bytes }], soon())
        await spool.owe({ ...${JSON.stringify(answer('owed'))}, request: bytes.payload }, soon())
        setInterval(() => spool.renew(), 100)
        console.log('ready')`
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(child, 'exit')
      await once(child.stdout, 'data')
      const mailboxes = (await other.open()).map(({ id }) => id)
      expect(mailboxes).toHaveLength(2)
      const kinds = async () => await Promise.all(mailboxes.map(async (id) => (await other.next(id)).kind))
      expect(await kinds()).toEqual(['claimed', 'held'])
      child.kill('SIGKILL')
      await exited
      const taken: string[] = []
      await becomes(async () => {
        const orphans = await other.takeOver()
        taken.push(...orphans.map(({ delivery }) => delivery))
        return taken.length > 0 && (await kinds()).every((kind) => kind === 'row')
      })
      expect(taken).toEqual(['owed'])
    })
  })

  describe('a commit whose answer is lost', () => {
    let proxy: PostgresProxy
    let through: string
    let clock: ReturnType<typeof createManualClock>
    beforeEach(async () => {
      proxy = await startPostgresProxy(server.port)
      opened.push(proxy)
      through = url.replace(`:${server.port}/`, `:${proxy.port}/`)
      clock = createManualClock()
    })

    it.each(['never sent', 'answer lost'] as const)(
      'is found out about, so that what was appended is there once: %s',
      async (fate) => {
        const spool = await open('a', { at: through })
        const broken = proxy.breakNextCommit(fate)
        const appended = spool.append([row('1')], inTime())
        await broken
        expect(await appended).toMatchObject([{ kind: 'stored' }])
        expect(await spool.append([row('1')], inTime())).toEqual([{ kind: 'duplicate' }])
        expect(await spool.list()).toMatchObject([{ depth: 1, bytes: 9 }])
      },
    )

    it.each(['never sent', 'answer lost'] as const)('ends an attempt once: %s', async (fate) => {
      const spool = await open('a', { at: through })
      await spool.append([row('1'), row('2')], inTime())
      const [mailbox] = await spool.open()
      const next = await spool.next(mailbox!.id)
      if (next.kind !== 'row') throw new Error(`it is ${next.kind}`)
      const broken = proxy.breakNextCommit(fate)
      const claim = { kind: 'mailbox', mailbox: mailbox!.id, fence: next.fence, row: next.row.id } as const
      const settled = spool.settle(claim, { kind: 'delivered' })
      await broken
      expect(await settled).toBe(true)
      expect(await drain(spool, mailbox!.id)).toEqual(['2'])
    })

    /** Commits a row whose caller is told that it was not stored: nobody can find out in time. */
    async function storeUnknown(spool: Spool, one: NewRow): Promise<string> {
      const broken = proxy.breakNextCommit('answer lost')
      const refused = spool.append([one], { giveUpAt: clock.monotonic() + 1000 }).then(String, String)
      await broken
      proxy.shut()
      clock.advance(1000)
      clock.advance(80)
      return await refused
    }

    /** Lets time pass until the spool works again. */
    async function heal(): Promise<void> {
      proxy.open()
      const step = setInterval(() => clock.advance(100), 5)
      opened.unshift({ close: () => Promise.resolve(clearInterval(step)) })
    }

    it.each(['waiting', 'held'] as const)(
      'is taken back once it is known, where its caller was told that nothing was stored: a %s row',
      async (kind) => {
        const spool = await open('a', { clock, at: through })
        const direct = await open('b')
        const one = row('1')
        const said = await storeUnknown(spool, kind === 'held' ? { ...one, state: { kind } } : one)
        expect(said).toContain('did not take it in time')
        const depth = async () => (await direct.list())[0]?.depth
        expect(await depth()).toBe(1)
        await heal()
        await becomes(async () => (await depth()) === 0)
        expect(await direct.usage()).toEqual(new Map())
      },
    )

    it('stays where it is a dead letter, on which a repetition may rely', async () => {
      const spool = await open('a', { clock, at: through })
      const direct = await open('b')
      const letter = row('1', { state: { kind: 'dead', reason: 'x', attempts: 1 } })
      expect(await storeUnknown(spool, letter)).toContain('did not take it in time')
      expect(await direct.append([{ ...letter, delivery: '2' }], inTime())).toEqual([{ kind: 'duplicate' }])
      await heal()
      const works = (): Promise<boolean> =>
        spool.renew().then(
          () => true,
          () => false,
        )
      await becomes(works)
      // Behind whatever was to be undone as soon as that was known.
      await spool.renew()
      expect(await direct.list()).toMatchObject([{ depth: 0, deadLetters: 1 }])
    })

    it('stays where the provider has sent it again meanwhile, which was a duplicate of it', async () => {
      const spool = await open('a', { clock, at: through })
      const direct = await open('b')
      await storeUnknown(spool, row('1', { state: { kind: 'held' } }))
      expect(await direct.append([row('1')], inTime())).toEqual([{ kind: 'duplicate' }])
      const [mailbox] = await direct.open()
      await heal()
      // Nobody's first attempt holds it any more.
      await becomes(async () => (await direct.next(mailbox!.id)).kind === 'row')
      expect(await direct.list()).toMatchObject([{ depth: 1 }])
    })

    it('is no answer that is owed, where its caller was told that it is not', async () => {
      const spool = await open('a', { clock, at: through })
      const direct = await open('b')
      const broken = proxy.breakNextCommit('answer lost')
      const refused = spool.owe(answer('d'), { giveUpAt: clock.monotonic() + 1000 }).catch(String)
      await broken
      proxy.shut()
      clock.advance(1080)
      expect(await refused).toContain('did not take it in time')
      await heal()
      await becomes(() =>
        direct.owe(answer('d'), inTime()).then(
          () => true,
          () => false,
        ),
      )
    })

    it('refuses at once what comes while the database cannot be reached, and closes all the same', async () => {
      const spool = await open('a', { clock, at: through })
      await storeUnknown(spool, row('1'))
      const failed = /^the database test_\d+ at 127\.0\.0\.1:\d+ failed: [^\n]+$/
      await expect(spool.append([row('2')], inTime(clock))).rejects.toThrow(failed)
      const all = Array.from({ length: 100 }, (_, n) => spool.append([row(`${n}`)], inTime(clock)).then(String, String))
      for (const said of await Promise.all(all)) expect(said).toMatch(/ failed: [^\n]+$/)
      await expect(spool.close()).rejects.toThrow(failed)
      opened.shift()
    })
  })

  it('a server that is ended and started again under load loses nothing that was stored, and keeps nothing that was not', async () => {
    const spools = await Promise.all(['a', 'b', 'c'].map((name) => open(name)))
    const stored = new Set<string>()
    const refused = new Set<string>()
    const load = { isOver: false }
    let names = 0
    const clients = spools.flatMap((spool) =>
      Array.from({ length: 8 }, async () => {
        while (!load.isOver) {
          const name = `${(names += 1)}`
          const results = spool.append([row(name, { mailbox: box(`${1 + (names % 20)}`) })], {
            giveUpAt: systemClock.monotonic() + 1000,
          })
          await results.then(
            () => stored.add(name),
            async (error: unknown) => {
              refused.add(name)
              expect(String(error)).toMatch(/^Error: the database test_\d+ at 127\.0\.0\.1:\d+ [^\n]+$/)
              await new Promise((resolve) => setTimeout(resolve, 5))
            },
          )
        }
      }),
    )
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
      const before = stored.size
      await becomes(() => Promise.resolve(stored.size > before + 200))
      await server.stop(signal)
      await server.start()
    }
    const before = stored.size
    await becomes(() => Promise.resolve(stored.size > before + 200))
    load.isOver = true
    await Promise.all(clients)
    // What was refused and had been stored after all is taken back within a second or two.
    const [spool] = spools
    await becomes(async () => {
      const depths = (await spool!.list()).map(({ depth }) => depth)
      return depths.reduce((sum, depth) => sum + depth, 0) === stored.size
    })
    const drained = await Promise.all((await spool!.open()).map(({ id }) => drain(spool!, id)))
    expect(drained.flat()).toHaveLength(stored.size)
    expect(new Set(drained.flat())).toEqual(stored)
    expect(refused.size).toBeGreaterThan(0)
  }, 60_000)
})
