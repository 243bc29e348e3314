import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createIds } from '../../src/ids.ts'
import type { LogLevel } from '../../src/telemetry/log.ts'
import { createManualClock, type ManualClock } from '../support/manual-clock.ts'
import { PAGE_SECRET, signToken } from '../support/page-token.ts'
import { rawClient } from '../support/raw-client.ts'
import { startSilo, type Silo } from '../support/silo.ts'
import {
  appRateLimited,
  blockActions,
  blockSuggestion,
  eventCallback,
  slashCommand,
  sslCheck,
  urlVerification,
} from '../support/slack-payloads.ts'
import { passBudget, passTime } from '../support/steps.ts'
import { workspace } from '../support/test-gateway.ts'

const SINGLE = '/slack/events'
const UNKNOWN = { team_id: 'T0UNKNOWN01' }

let clock: ManualClock
let silo: Silo

async function start(more: Partial<Parameters<typeof startSilo>[0]> = {}): Promise<void> {
  clock = createManualClock()
  silo = await startSilo({
    regions: { us: {}, eu: { state: 'down' } },
    directory: workspace({ acme: 'us' }),
    env: { PAGE_SIGNING_SECRET: PAGE_SECRET, TRUSTED_PROXIES: '127.0.0.0/8' },
    clock,
    ...more,
  })
}

/** What is counted and logged of what happens meanwhile. */
async function told(happens: () => Promise<unknown>) {
  const before = silo.gateway.counters.read()
  const from = silo.logs.length
  await happens()
  const counted = [...silo.gateway.counters.read()].flatMap(([name, count]) =>
    name.startsWith('webhooks_total') && count !== before.get(name) ? [name] : [],
  )
  const lines = silo.logs.slice(from)
  return { counted, levels: lines.filter(({ message }) => message === 'webhook').map(({ level }) => level), lines }
}

const series = (surface: string, outcome: string) => `webhooks_total{surface="${surface}",outcome="${outcome}"}`

async function expectEnding(surface: string, outcome: string, level: LogLevel, happens: () => Promise<unknown>) {
  const { counted, levels, lines } = await told(happens)
  expect([counted, levels]).toEqual([[series(surface, outcome)], [level]])
  expect(lines.find(({ message }) => message === 'webhook')?.fields['outcome']).toBe(outcome)
}

describe('a webhook is counted and logged once, by how it ended', () => {
  beforeAll(() => start())
  afterAll(() => silo.close())

  it('answered here: its rule', () =>
    expectEnding('event', 'url_verification', 'info', () => silo.deliver(SINGLE, urlVerification())))

  it('a page of the control silo', () => {
    const token = signToken({ integration_id: 1, slack_user_id: 'U1', exp: Math.floor(clock.now() / 1000) + 60 })
    return expectEnding('page', 'control_page', 'info', () =>
      silo.get(`/extensions/slack/link-identity/${token}/`, { 'X-Forwarded-User': 'wanda' }),
    )
  })

  it('passed on', () => expectEnding('command', 'passed_on', 'info', () => silo.deliver(SINGLE, slashCommand())))

  it('an unknown integration, told with an error', () =>
    expectEnding('event', 'unknown_integration', 'warn', () =>
      silo.deliver(SINGLE, eventCallback({ ...UNKNOWN, authorizations: [] })),
    ))

  it('an unknown integration, told with a message', () =>
    expectEnding('command', 'unknown_integration', 'warn', () => silo.deliver(SINGLE, slashCommand(UNKNOWN))))

  it('refused: its code', () =>
    expectEnding('any', 'invalid_signature', 'warn', () => silo.deliver(SINGLE, slashCommand(), { secret: null })))

  it('a caller who went away', () =>
    expectEnding('any', 'caller_gone', 'warn', async () => {
      const client = rawClient(silo.port)
      client.write(`POST ${SINGLE} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`)
      await client.hears(/100 Continue/)
      const ended = silo.records.length
      client.socket.destroy()
      while (silo.records.length === ended) await new Promise(setImmediate)
    }))
})

describe('an integration that nobody uses', () => {
  beforeAll(() => start({ directory: workspace({ acme: 'us' }, { status: 'disabled' }) }))
  afterAll(() => silo.close())

  it('is an ending of its own', () =>
    expectEnding('event', 'inactive', 'info', () => silo.deliver(SINGLE, eventCallback())))
})

describe('a region that fails', () => {
  beforeAll(() => start({ directory: workspace({ acme: 'eu' }) }))
  afterAll(() => silo.close())

  it('is told to the user of a command, which is no success', () =>
    expectEnding('command', 'told_failure', 'warn', () => silo.deliver(SINGLE, slashCommand())))

  it('leaves an event waiting for it, which is no success either', () =>
    expectEnding('event', 'spooled', 'warn', () => silo.deliver(SINGLE, eventCallback())))

  it('is an error to everybody else', () =>
    expectEnding('options', 'silo_client_error', 'error', () => silo.deliver(SINGLE, blockSuggestion())))
})

describe('a region that cannot be reached', () => {
  beforeAll(() => start({ regions: { us: { address: 'http://127.0.0.1:1' } } }))
  afterAll(() => silo.close())

  it('is logged with the code of the error, which no caller sees', async () => {
    const { reply, record } = await silo.deliver(SINGLE, blockSuggestion())
    expect(record.regions).toMatchObject([{ region: 'us', result: 'connect_refused', cause: 'ECONNREFUSED' }])
    expect(silo.logs.at(-1)?.fields['regions']).toBe(record.regions)
    expect([reply.json(), reply.text]).toEqual([
      expect.objectContaining({ regions: { us: 'connect_refused' } }),
      expect.not.stringContaining('ECONNREFUSED'),
    ])
  })
})

describe('a region that is late', () => {
  beforeAll(() =>
    start({ answers: { us: (res) => void passBudget({ clock, gateway: silo.gateway }).then(() => res.end()) } }),
  )
  afterAll(() => silo.close())

  it('is told to the user of a command that cannot be answered later, which is no success', () =>
    expectEnding('command', 'told_failure', 'warn', () =>
      silo.deliver(SINGLE, slashCommand({ response_url: undefined })),
    ))

  it('is waited for where the answer can come later, which is no success yet', () =>
    expectEnding('command', 'late', 'warn', () => silo.deliver(SINGLE, slashCommand())))
})

describe('a region that failed behind an answer', () => {
  beforeAll(() => start({ directory: workspace({ acme: 'us', beta: 'eu' }) }))
  afterAll(() => silo.close())

  it('is passed on, with a warning', () =>
    expectEnding('action', 'passed_on', 'warn', () => silo.deliver(SINGLE, blockActions())))
})

describe('a fault of our own', () => {
  const fault = new Error('no entropy')
  const ids = createIds()
  beforeAll(() => start({ ids }))
  afterAll(() => silo.close())

  it('is logged with its error', async () => {
    ids.hex = () => {
      throw fault
    }
    await expectEnding('command', 'internal_error', 'error', () => silo.deliver(SINGLE, slashCommand()))
    expect(silo.logs.at(-1)?.fields['err']).toBe(fault)
  })
})

describe('a fault of our own in a call', () => {
  const fault = new Error('no entropy')
  const ids = createIds()
  const key = `k1:${Buffer.alloc(32, 'r').toString('base64')}`
  beforeAll(() => start({ ids, regions: { us: { signing_key: 'k1' } }, env: { REGION_SIGNING_KEYS: key } }))
  afterAll(() => silo.close())

  it.each([
    ['command', slashCommand()],
    ['event', eventCallback()],
  ])('is logged with its error, as a %s', async (surface, body) => {
    ids.nonce = () => {
      throw fault
    }
    const from = silo.logs.length
    await expectEnding(surface, 'internal_error', 'error', () => silo.deliver(SINGLE, body))
    expect(silo.logs.slice(from).find(({ message }) => message === 'webhook')?.fields['err']).toBe(fault)
  })
})

describe('a flood', () => {
  beforeAll(() => start({ directory: workspace({ acme: 'atlantis' }) }))
  afterAll(() => silo.close())

  it.each([
    ['stale signatures', () => silo.deliver(SINGLE, slashCommand(), { headers: { 'X-Slack-Request-Timestamp': '1' } })],
    ['an unknown integration', () => silo.deliver(SINGLE, slashCommand(UNKNOWN))],
    ['an unknown region', () => silo.deliver(SINGLE, slashCommand())],
    ['app_rate_limited', () => silo.deliver(SINGLE, appRateLimited())],
  ])('of %s is a line each, and one alarm in ten seconds with how many were left out', async (_, deliver) => {
    const { lines } = await told(async () => {
      for (let count = 0; count < 4; count++) await deliver()
      await passTime({ clock, gateway: silo.gateway }, 10)
      await deliver()
    })
    const alarms = lines.filter(({ message }) => message !== 'webhook' && message !== 'attempt')
    expect(alarms.map(({ fields }) => fields['leftOut'])).toEqual([0, 3])
    expect(lines.filter(({ message }) => message === 'webhook')).toHaveLength(5)
  })
})

describe('a flood that nobody has signed', () => {
  beforeEach(() => start())
  afterEach(() => silo.close())

  const FORGED = { secret: 'another' }
  const webhooks = (lines: typeof silo.logs) =>
    lines.flatMap(({ message, fields }) => (message === 'webhook' ? [fields['outcome']] : []))

  it('is 50 lines a second, and one alarm in ten seconds with how many had none', async () => {
    const { lines, counted } = await told(async () => {
      for (let count = 0; count < 53; count++) await silo.deliver(SINGLE, slashCommand(), FORGED)
      await passTime({ clock, gateway: silo.gateway }, 10)
      for (let count = 0; count < 51; count++) await silo.deliver(SINGLE, sslCheck(), { secret: null })
    })
    expect(webhooks(lines)).toEqual([
      ...Array.from({ length: 50 }, () => 'invalid_signature'),
      ...Array.from({ length: 50 }, () => 'ssl_check'),
    ])
    const alarms = lines.filter(({ message }) => message.startsWith('More webhooks come unsigned'))
    expect(alarms.map(({ fields }) => fields['leftOut'])).toEqual([0, 2])
    expect(counted).toContain(series('any', 'invalid_signature'))
  })

  it('costs none its line that is signed, or whose link is ours, whoever answers it', async () => {
    const { lines } = await told(async () => {
      for (let count = 0; count < 50; count++) await silo.deliver(SINGLE, slashCommand(), FORGED)
      await silo.deliver(SINGLE, urlVerification())
      await silo.deliver(SINGLE, blockSuggestion())
      await silo.deliver(SINGLE, { ...blockSuggestion(), body: 'payload=' })
      const token = signToken({ integration_id: 1, slack_user_id: 'U1', exp: Math.floor(clock.now() / 1000) + 60 })
      await silo.get(`/extensions/slack/link-identity/${token}/`, { 'X-Forwarded-User': 'wanda' })
    })
    expect(webhooks(lines).slice(50)).toEqual(['url_verification', 'passed_on', 'malformed_request', 'control_page'])
  })
})

describe('a directory that is away', () => {
  beforeAll(async () => {
    await start()
    await silo.gateway.store.close()
  })
  afterAll(() => silo.close())

  it('is a line for each webhook, and one in ten seconds that says why', async () => {
    const { lines } = await told(async () => {
      for (let count = 0; count < 4; count++) await silo.deliver(SINGLE, blockSuggestion())
    })
    expect(
      lines
        .map(({ message, fields }) => (message === 'webhook' ? fields['verdict'] : 'alarm'))
        .filter((what) => what !== 'unknown'),
    ).toEqual(['alarm'])
    expect(lines).toHaveLength(5)
  })
})
