import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { useSilos } from '../../support/silos.ts'
import { eventCallback } from '../../support/slack-payloads.ts'

const silos = useSilos()
const EVENT = '/extensions/slack/event/'

/** A database that takes everything but the end of what waits for `us`. */
interface Stubborn {
  readonly url: string
  refuse(): Promise<void>
  takeAgain(): Promise<void>
}

function stubbornFile(path: string): Stubborn {
  const tell = async (sql: string): Promise<void> => {
    using database = new DatabaseSync(path, { timeout: 5000 })
    database.exec(sql)
  }
  return {
    url: `sqlite:${path}`,
    refuse: () =>
      tell(`CREATE TRIGGER stubborn BEFORE DELETE ON waiting WHEN old.region = 'us'
        BEGIN SELECT RAISE(ABORT, 'never'); END`),
    takeAgain: () => tell('DROP TRIGGER stubborn'),
  }
}

function stubbornDatabase(url: string): Stubborn {
  const tell = async (sql: string): Promise<void> => {
    const client = new Client(url)
    await client.connect()
    await client.query(sql)
    await client.end()
  }
  return {
    url,
    refuse: () =>
      tell(`CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE data_exception; END';
        CREATE TRIGGER stubborn BEFORE DELETE ON waiting FOR EACH ROW WHEN (old.region = 'us') EXECUTE FUNCTION never()`),
    takeAgain: () => tell('DROP TRIGGER stubborn ON waiting'),
  }
}

describe.each(['SQLite', 'PostgreSQL'])('on %s', (kind) => {
  const isServer = kind === 'PostgreSQL'
  describe.skipIf(isServer && !testsPostgres())('an end of a delivery that is refused for ever', () => {
    let folder: string
    let server: PostgresServer | undefined
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'silo-gateway-refused-'))
      server = isServer ? await startPostgres() : undefined
    }, 60_000)
    afterAll(async () => {
      await server?.close()
      await rm(folder, { recursive: true })
    }, 60_000)

    it('is told of, with its mailbox, and neither holds up others nor is delivered again', async () => {
      const url = await server?.createDatabase()
      const database = url === undefined ? stubbornFile(join(folder, 'gateway.db')) : stubbornDatabase(url)
      const env = { DATABASE_URL: database.url }
      let isWell = false
      const { post, regions, gateway, logs } = await silos(
        {
          us: (res) => void res.writeHead(isWell ? 200 : 503).end(),
          eu: (res) => void res.writeHead(isWell ? 200 : 503).end(),
        },
        { env },
      )
      const send = async () => {
        const body = eventCallback({}, { type: 'app_uninstalled' })
        expect((await post(EVENT, body.body, body)).status).toBe(200)
      }
      await send()
      await send()
      await database.refuse()
      const before = regions.us.requests.length
      isWell = true
      const depths = async () =>
        Object.fromEntries(
          (await gateway.spool.list()).map(({ address, depth }) => [
            address.kind === 'region' && address.region,
            depth,
          ]),
        )
      await expect.poll(depths, { timeout: 10_000 }).toEqual({ us: 2, eu: 0 })
      await expect
        .poll(() => logs.filter(({ message }) => message === 'A waiting delivery could not be tried'), {
          timeout: 10_000,
        })
        .toMatchObject([{ level: 'error', fields: { mailbox: expect.any(Number) as number } }])
      await database.takeAgain()
      await expect.poll(depths, { timeout: 10_000 }).toEqual({ us: 0, eu: 0 })
      expect(regions.us.requests.length - before).toBe(2)
    })
  })
})
