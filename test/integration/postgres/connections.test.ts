import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompiledQuery, sql, type Kysely } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { Connections } from '../../../src/database/connections.ts'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import { openDirectory } from '../../../src/directory/store.ts'
import { createGateway } from '../../../src/gateway.ts'
import { freePort } from '../../support/ports.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'

interface Schema {
  things: { id: number; name: string }
}

describe.skipIf(!testsPostgres())('connections to PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ durable: true })
  }, 60_000)
  afterAll(() => server.close())

  let url: string
  let connections: Connections<Schema>
  beforeEach(async () => {
    url = await server.createDatabase()
    connections = await openPostgres({ kind: 'postgres', url, poolMax: 2, statementTimeoutMs: 500 })
    await sql`create table things (id integer primary key, name text not null)`.execute(connections.writes)
    await connections.writes.insertInto('things').values({ id: 1, name: 'one' }).execute()
  })
  afterEach(() => connections.close())

  const look = (db: Kysely<Schema>) => db.selectFrom('things').selectAll().where('id', '=', 1).execute()
  const sleep = (seconds: number) => CompiledQuery.raw(`select pg_sleep(${seconds})`)
  const prepared = async (db: Kysely<Schema>) =>
    (
      await db.executeQuery<{ name: string; statement: string }>(
        CompiledQuery.raw('select name, statement from pg_prepared_statements'),
      )
    ).rows

  it('give up a look-up after its time, and answer the next one', async () => {
    await expect(connections.lookUps.executeQuery(sleep(30))).rejects.toThrow(/statement timeout/)
    expect(await look(connections.lookUps)).toHaveLength(1)
  })

  it('give long work the time it takes', async () => {
    const done = connections.aside((db) => db.executeQuery(sleep(0.8)))
    await expect(done).resolves.toBeDefined()
  })

  it('leave a process that stops in the middle of a transaction its locks for ten seconds at most', async () => {
    const { rows } = await sql<Record<string, string>>`show idle_in_transaction_session_timeout`.execute(
      connections.writes,
    )
    expect(rows).toEqual([{ idle_in_transaction_session_timeout: '10s' }])
  })

  it('are no more than the pool may have', async () => {
    const count = CompiledQuery.raw('select count(*) as n from pg_stat_activity where datname = current_database()')
    const queries = Array.from({ length: 20 }, () => connections.lookUps.executeQuery(sleep(0.01)))
    await Promise.all(queries)
    const { rows } = await connections.lookUps.executeQuery<{ n: string }>(count)
    // Two for look-ups, and the one that the writes above needed.
    expect(Number(rows[0]?.n)).toBe(3)
  })

  it('have a statement prepared once, under a name', async () => {
    await connections.lookUps.connection().execute(async (db) => {
      for (let time = 0; time < 3; time++) await look(db)
      const ours = (await prepared(db)).filter(({ statement }) => statement.includes('"things"'))
      expect(ours).toHaveLength(1)
    })
  })

  it('do not let ever new statements fill the server', async () => {
    await connections.lookUps.connection().execute(async (db) => {
      for (let n = 0; n < 400; n++) await db.executeQuery(CompiledQuery.raw(`select ${n}`))
      expect((await prepared(db)).length).toBeLessThanOrEqual(256)
    })
  })

  it('prepare nothing for long work', async () => {
    await connections.aside(async (db) => {
      await look(db)
      expect(await prepared(db)).toEqual([])
    })
  })

  it('go on with a prepared statement after its table has got another column', async () => {
    const { lookUps, writes } = connections
    await Promise.all([look(lookUps), look(lookUps)])
    await sql`alter table things add column color text not null default 'red'`.execute(writes)
    for (let time = 0; time < 4; time++) expect(await look(lookUps)).toEqual([{ id: 1, name: 'one', color: 'red' }])
  })

  it('fail a transaction that has swallowed an error, instead of keeping half of it', async () => {
    const done = connections.writes.transaction().execute(async (trx) => {
      await trx.insertInto('things').values({ id: 2, name: 'two' }).execute()
      await trx
        .insertInto('things')
        .values({ id: 1, name: 'again' })
        .execute()
        .catch(() => {})
    })
    await expect(done).rejects.toThrow(/rolled back|aborted/i)
    expect(await connections.lookUps.selectFrom('things').select('id').execute()).toEqual([{ id: 1 }])
  })

  it('that idle are replaced after the server was started again', async () => {
    await Promise.all([look(connections.lookUps), look(connections.lookUps), look(connections.writes)])
    await server.stop('SIGINT')
    await server.start()
    expect(await look(connections.lookUps)).toHaveLength(1)
    expect(await look(connections.writes)).toHaveLength(1)
  })

  it.each(['SIGINT', 'SIGQUIT'] as const)(
    'in use fail their query when the server goes by %s, and no other',
    async (signal) => {
      const failing = connections
        .aside((db) => db.executeQuery(sleep(60)))
        .then(
          () => 'done',
          () => 'failed',
        )
      const writing = connections.writes
        .transaction()
        .execute((trx) => trx.executeQuery(sleep(4)))
        .then(
          () => 'done',
          () => 'failed',
        )
      const active = CompiledQuery.raw(
        `select 1 from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and state = 'active'`,
      )
      while ((await connections.lookUps.executeQuery(active)).rows.length < 3);
      await server.stop(signal)
      expect(await Promise.all([failing, writing])).toEqual(['failed', 'failed'])
      await expect(look(connections.lookUps)).rejects.toThrow(/ECONNREFUSED|terminat/)
      await server.start()
      expect(await look(connections.lookUps)).toHaveLength(1)
      expect(await look(connections.writes)).toHaveLength(1)
    },
  )

  it('that a server leaves without an answer are not used again', async () => {
    const { lookUps } = connections
    let pid = 0
    const silenced = lookUps.connection().execute(async (db) => {
      const { rows } = await db.executeQuery<{ pid: number }>(CompiledQuery.raw('select pg_backend_pid() as pid'))
      pid = rows[0]?.pid ?? 0
      process.kill(pid, 'SIGSTOP')
      return await db.executeQuery(sleep(0.01))
    })
    try {
      await expect(silenced).rejects.toThrow(/timeout/)
      expect(await look(lookUps)).toEqual([{ id: 1, name: 'one' }])
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })
})

describe('a PostgreSQL that cannot be reached', () => {
  it('is named by host, port and database, without the password', async () => {
    const port = await freePort()
    const url = `postgres://gateway:geheim@127.0.0.1:${port}/directory`
    const opened = openDirectory({ kind: 'postgres', url, poolMax: 2, statementTimeoutMs: 500 }, { clock: systemClock })
    const error: unknown = await opened.catch((reason: unknown) => reason)
    expect(String(error)).toBe(
      `Error: cannot open the database directory at 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    )
    expect(String(error instanceof Error && error.stack)).not.toContain('geheim')
  })

  it('keeps the gateway from starting', async () => {
    const port = await freePort()
    const folder = await mkdtemp(join(tmpdir(), 'regions-'))
    const regionsFile = join(folder, 'regions.yaml')
    await writeFile(regionsFile, 'version: 1\nregions: [{ name: eu, address: http://127.0.0.1:9 }]\n')
    const env = {
      SLACK_SIGNING_SECRETS: 'secret',
      REGIONS_FILE: regionsFile,
      DATABASE_URL: `postgres://gateway:geheim@127.0.0.1:${port}/directory`,
      LOG_LEVEL: 'silent',
    }
    await expect(createGateway({ env })).rejects.toThrow(`cannot open the database directory at 127.0.0.1:${port}: `)
    await rm(folder, { recursive: true })
  })
})
