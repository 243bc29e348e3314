import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { useSilos } from '../../support/silos.ts'
import { eventCallback } from '../../support/slack-payloads.ts'

const silos = useSilos()
const EVENT = '/extensions/slack/event/'
/** PostgreSQL takes no text with the first, and no UTF-8 has the second. */
const quote = "'; --"
const odd = ['\0', '\ud800', quote]
const ofTeam = (team_id: string) => ({ team_id, context_team_id: team_id, authorizations: [{ team_id }] })

describe.each(['SQLite', 'PostgreSQL'])('on %s', (kind) => {
  const isServer = kind === 'PostgreSQL'
  describe.skipIf(isServer && !testsPostgres())('what a caller names', () => {
    let server: PostgresServer | undefined
    beforeAll(async () => {
      server = isServer ? await startPostgres() : undefined
    }, 60_000)
    afterAll(() => server?.close(), 60_000)

    async function setUp() {
      let isWell = false
      const url = await server?.createDatabase()
      const started = await silos(
        { us: (res) => void res.writeHead(isWell ? 200 : 503).end() },
        { env: { DATABASE_URL: url === undefined ? 'sqlite::memory:' : `${url}?statement_timeout_ms=200` } },
      )
      const send = async (fields: Record<string, unknown>) => {
        const body = eventCallback(fields)
        return (await started.post(EVENT, body.body, body)).status
      }
      return { ...started, url, send, heal: () => void (isWell = true) }
    }

    it('waits, whatever an event is called, and keeps nothing behind it from arriving', async () => {
      const { send, heal, regions, gateway } = await setUp()
      const ids = ['Ev1', ...odd.flatMap((text) => [`Ev${text}2`, `Ev${text}3`]), 'Ev4']
      for (const event_id of ids) expect(await send({ event_id })).toBe(200)
      // The same ones again are known, each by its own name.
      for (const event_id of ids) expect(await send({ event_id })).toBe(200)
      expect(await gateway.spool.list()).toMatchObject([{ depth: ids.length }])
      heal()
      const arrived = () =>
        regions.us.requests.map(({ body }) => (JSON.parse(body.toString()) as { event_id: string }).event_id)
      await expect.poll(() => gateway.spool.list(), { timeout: 10_000 }).toMatchObject([{ isEmpty: true }])
      expect([...new Set(arrived())]).toEqual(ids)
      expect(await gateway.spool.deadLetters({}, { limit: 10 })).toEqual([])
    })

    it('is a workspace that nobody knows, whatever it is called', async () => {
      const { send } = await setUp()
      for (const text of odd) expect(await send(ofTeam(`T${text}`))).toBe(400)
    })

    it.skipIf(!isServer)('waits for its home, and keeps nothing else from finding its own', async () => {
      const { url, send, heal, regions, gateway } = await setUp()
      const client = new Client(url)
      await client.connect()
      try {
        await client.query('begin; lock table integrations')
        // What no row can be called is known to be nobody's without asking.
        for (const text of odd) expect(await send(ofTeam(`T${text}`))).toBe(text === quote ? 200 : 400)
        expect(await send({ event_id: 'Ev1' })).toBe(200)
        heal()
        expect(regions.us.requests).toEqual([])
        await client.query('commit')
      } finally {
        await client.end()
      }
      await expect.poll(() => regions.us.requests.length, { timeout: 10_000 }).toBe(1)
      await expect.poll(async () => (await gateway.spool.open()).length, { timeout: 10_000 }).toBe(0)
      const letters = await gateway.spool.deadLetters({}, { limit: 10 })
      expect(letters.map(({ reason }) => reason)).toEqual(['unknown_integration'])
    })
  })
})
