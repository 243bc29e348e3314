import type { ServerResponse } from 'node:http'
import { writeFile } from 'node:fs/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CONTENT_TYPE } from '../../../src/telemetry/text-format.ts'
import { counters, histograms, readings } from '../../../src/telemetry/metrics.ts'
import { startCollector } from '../../support/collector.ts'
import type { Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { parsePrometheusText, type Series } from '../../support/prometheus-text.ts'
import { useSilos, type SilosOptions } from '../../support/silos.ts'
import {
  appRateLimited,
  blockActions,
  blockSuggestion,
  eventCallback,
  slashCommand,
  type SlackBody,
} from '../../support/slack-payloads.ts'
import { ACTION, COMMANDS, EVENT, OPTIONS_LOAD } from '../../support/slack-surfaces.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { passBudget, until } from '../../support/steps.ts'
import { SIGNING_SECRET, workspace } from '../../support/test-gateway.ts'
import { openAdmin } from '../admin/admin-rig.ts'
import { startFakeRegion } from '../../support/fake-region.ts'

const silos = useSilos()
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closing.splice(0).toReversed()) await close()
})

const says =
  (status: number): Answer =>
  (res) =>
    res.writeHead(status).end()

async function start<Name extends string>(answers: Record<Name, Answer | undefined>, options: SilosOptions = {}) {
  const clock = createManualClock({ now: Date.now() })
  const started = await silos(answers, { clock, ...options })
  const admin = await openAdmin(started.gateway)
  closing.push(() => admin.close())
  const scrape = async () => parsePrometheusText((await admin.ask('GET', '/metrics')).text)
  /** The value of a series; undefined: there is none. */
  async function value(name: string, labels: Record<string, string> = {}) {
    const family = (await scrape()).get(name.replace(/_(bucket|sum|count)$/, ''))
    const isMeant = (series: Series) =>
      series.name === name && JSON.stringify(Object.entries(series.labels)) === JSON.stringify(Object.entries(labels))
    return family?.series.find(isMeant)?.value
  }

  return {
    ...started,
    clock,
    admin,
    scrape,
    send: (path: string, { body, contentType }: SlackBody) => started.post(path, body, { contentType }),
    value,
  }
}

const event = (text: string, envelope = {}) => eventCallback({ event_id: `Ev${text}`, ...envelope }, { text })

describe('GET /metrics', () => {
  it('needs no token, under whatever name it is asked', async () => {
    const { admin } = await start({ us: says(200) }, { env: { ADMIN_TOKEN: 'an-admin-token' } })
    for (const headers of [{}, { Host: 'silo-gateway.prod.svc:8081' }, { Authorization: 'Bearer wrong' }]) {
      const { status, headers: got } = await admin.ask('GET', '/metrics', { headers })
      expect([status, got['content-type'], got['cache-control']]).toEqual([200, CONTENT_TYPE, 'no-store'])
    }
    expect((await admin.ask('GET', '/api/regions')).status).toBe(401)
  })

  it('tells every metric that is declared with its type and help, and no other', async () => {
    const { scrape } = await start({ us: says(200) })
    const told = [...(await scrape())].map(([name, { type, help }]) => ({ name, type, help }))
    expect(told).toEqual([
      ...Object.entries(counters).map(([name, { help }]) => ({ name, type: 'counter', help })),
      ...Object.entries(histograms).map(([name, { help }]) => ({ name, type: 'histogram', help })),
      ...Object.entries(readings).map(([name, { type, help }]) => ({ name, type, help })),
    ])
  })

  it('labels every series as is declared', async () => {
    const { scrape, send } = await start({ us: says(200), eu: says(503) })
    for (const name of ['1', '2', '3']) await send(EVENT, event(name))
    await send(COMMANDS, slashCommand())
    for (const [name, { series }] of await scrape()) {
      const { labels } = { ...counters, ...histograms, ...readings }[name as keyof typeof counters]
      for (const one of series) {
        const { le: _, ...own } = one.labels
        expect([name, Object.keys(own)]).toEqual([name, labels])
      }
    }
  })

  it('counts what has no labels from nought on, so that the first time is a rise', async () => {
    const { value } = await start({ us: says(200) })
    expect(await value('config_reload_failed_total')).toBe(0)
    expect(await value('clock_skew_total')).toBe(0)
  })
})

describe('a webhook', () => {
  it('is counted by its surface, how it ended and what was answered', async () => {
    const { send, value, nextRecord } = await start({ us: says(200) })
    await send(EVENT, event('1'))
    await send(COMMANDS, slashCommand({ team_id: 'T0NOBODY001' }))
    await nextRecord()
    await nextRecord()
    expect(await value('webhooks_total', { surface: 'event', outcome: 'passed_on' })).toBe(1)
    expect(await value('webhook_responses_total', { surface: 'event', code: '200' })).toBe(1)
    expect(await value('webhooks_total', { surface: 'command', outcome: 'unknown_integration' })).toBe(1)
    expect(await value('unknown_integration_total', { surface: 'command' })).toBe(1)
    expect(await value('region_results_total', { region: 'us', result: 'answered' })).toBe(1)
    expect(await value('region_attempts_total', { region: 'us', result: 'http_200' })).toBe(1)
    expect(await value('directory_cache_entries')).toBe(2)
  })

  it('has its answer timed from its first byte and from when Slack signed it, and what was left of the budget', async () => {
    const held: ServerResponse[] = []
    const { post, clock, regions, value, nextRecord } = await start({ us: (res) => held.push(res) })
    clock.advance(1000 - (clock.now() % 1000))
    const { body, contentType } = blockSuggestion()
    const signed = signSlack({ secret: SIGNING_SECRET, body, now: clock.now() - 2000 })
    const reply = post(OPTIONS_LOAD, body, { contentType, secret: null, headers: signed })
    await regions.us.nextRequest()
    clock.advance(700)
    held[0]?.end('{"options":[]}')
    expect((await reply).status).toBe(200)
    await nextRecord()
    const labels = { surface: 'options' }
    expect(await value('webhook_answer_duration_seconds_sum', labels)).toBeCloseTo(0.7)
    expect(await value('webhook_answer_duration_seconds_bucket', { ...labels, le: '0.5' })).toBe(0)
    expect(await value('webhook_answer_duration_seconds_bucket', { ...labels, le: '1' })).toBe(1)
    expect(await value('webhook_answer_since_signed_seconds_sum', labels)).toBeCloseTo(2.7)
    expect(await value('webhook_budget_left_seconds_sum', labels)).toBeCloseTo(1.8)
    expect(await value('region_attempt_duration_seconds_sum', { region: 'us' })).toBeCloseTo(0.7)
    expect(await value('region_attempt_duration_seconds_count', { region: 'us' })).toBe(1)
  })

  it('that is under way is told of, with the slot it has', async () => {
    const held: ServerResponse[] = []
    const { send, regions, value } = await start(
      { us: (res) => held.push(res) },
      { entries: { us: { max_concurrency: 1 } } },
    )
    const replies = [send(OPTIONS_LOAD, blockSuggestion()), send(OPTIONS_LOAD, blockSuggestion({ value: 'x' }))]
    await regions.us.nextRequest()
    await expect.poll(() => value('region_queued', { region: 'us' })).toBe(1)
    expect(await value('region_in_flight', { region: 'us' })).toBe(1)
    expect(await value('region_slots', { region: 'us' })).toBe(1)
    expect(await value('webhooks_in_progress')).toBe(2)
    held[0]?.end()
    await regions.us.nextRequest()
    await expect.poll(() => held.length).toBe(2)
    held[1]?.end()
    await Promise.all(replies)
    await expect.poll(() => value('webhooks_in_progress')).toBe(0)
  })
})

describe('what waits', () => {
  it('is told of by region: how much, since when, and what has died', async () => {
    const { clock, send, value } = await start(
      { us: says(503), eu: says(422) },
      {
        directory: workspace({ acme: 'us', beta: 'eu' }),
        slack: { all_region_events: ['*'] },
        entries: { us: { max_spool_mb: 2 } },
      },
    )
    await send(EVENT, event('1'))
    const before = clock.now()
    clock.advance(300)
    await expect.poll(() => value('spool_deliveries', { region: 'us' })).toBe(1)
    expect(await value('spool_deliveries', { region: 'eu' })).toBe(0)
    expect(await value('spool_bytes', { region: 'us' })).toBeGreaterThan(500)
    expect(await value('spool_limit_bytes', { region: 'us' })).toBe(2 * 1024 * 1024)
    expect(await value('spool_oldest_age_seconds', { region: 'us' })).toBeCloseTo((clock.now() - before) / 1000)
    expect(await value('spool_oldest_age_seconds', { region: 'eu' })).toBe(0)
    expect(await value('dead_letters', { region: 'eu' })).toBe(1)
    expect(await value('dead_letters_total', { region: 'eu', reason: 'http_422' })).toBe(1)
    expect(await value('spool_up')).toBe(1)
  })

  it('for a region that regions.yaml does not name is told as other', async () => {
    const { send, value, scrape } = await start(
      { us: says(200) },
      { directory: workspace({ acme: 'atlantis', beta: 'eldorado' }), slack: { all_region_events: ['*'] } },
    )
    await send(EVENT, event('1'))
    await expect.poll(() => value('spool_deliveries', { region: 'other' })).toBe(2)
    expect(await value('unknown_region_total')).toBe(2)
    expect(JSON.stringify([...(await scrape())])).not.toMatch(/atlantis|eldorado/)
  })

  it('is left out, and said to be, while the store fails; the rest is told', async () => {
    const { value, scrape, gateway, send } = await start({ us: says(200) })
    await send(EVENT, event('1'))
    vi.spyOn(gateway.spool, 'totals').mockRejectedValue(new Error('away'))
    const families = await scrape()
    const silent = [
      'spool_deliveries',
      'spool_bytes',
      'spool_oldest_age_seconds',
      'spool_paused_mailboxes',
      'dead_letters',
    ]
    for (const name of silent) expect([name, families.get(name)?.series]).toEqual([name, []])
    expect(await value('spool_up')).toBe(0)
    expect(await value('region_in_flight', { region: 'us' })).toBe(0)
    expect(await value('webhooks_total', { surface: 'event', outcome: 'passed_on' })).toBe(1)
  })

  it('keeps no scrape waiting for more than a second, and a store that hangs is asked by one of them', async () => {
    const { gateway, clock, scrape, value } = await start({ us: says(200) })
    const answer = Promise.withResolvers<Awaited<ReturnType<typeof gateway.spool.totals>>>()
    const totals = vi.spyOn(gateway.spool, 'totals').mockReturnValue(answer.promise)
    const waiting = [scrape(), scrape()]
    const both = { told: 0 }
    for (const one of waiting) void one.then(() => (both.told += 1))
    await until(clock, () => both.told === 2, { stepMs: 500 })
    for (const families of await Promise.all(waiting)) {
      expect(families.get('spool_up')?.series).toMatchObject([{ value: 0 }])
    }
    expect(totals).toHaveBeenCalledTimes(1)
    answer.resolve(new Map())
    totals.mockRestore()
    expect(await value('spool_up')).toBe(1)
  })
})

describe('regions', () => {
  it('have one state each, and their breaker has', async () => {
    const { send, scrape } = await start(
      { us: (res) => res.destroy(), eu: says(200) },
      {
        entries: { us: { breaker: { minimum_calls: 1 } }, eu: { state: 'draining' } },
        directory: workspace({ acme: 'us' }),
      },
    )
    await send(OPTIONS_LOAD, blockSuggestion())
    const families = await scrape()
    const statesOf = (name: string) =>
      families
        .get(name)
        ?.series.flatMap(({ labels, value }) => (value === 1 ? [`${labels['region']} ${labels['state']}`] : []))
    expect(statesOf('region_state')).toEqual(['us active', 'eu draining'])
    expect(statesOf('region_breaker_state')).toEqual(['us open', 'eu closed'])
  })
})

describe('however many', () => {
  it('regions the directory names, the series are the same', async () => {
    const names = Array.from({ length: 60 }, (_, index) => `nowhere-${index}`)
    const organizations = Object.fromEntries(names.map((name) => [name, name]))
    const { send, scrape } = await start(
      { us: says(200) },
      { directory: workspace(organizations), slack: { all_region_events: ['*'] } },
    )
    await send(EVENT, event('1'))
    const count = [...(await scrape()).values()]
      .flatMap(({ series }) => series)
      .filter(({ labels }) => labels['region'] !== 'us')
    const regions = new Set(count.flatMap(({ labels }) => labels['region'] ?? []))
    expect(regions).toEqual(new Set(['other']))
  })

  it('statuses a region makes up, a hundred and one are told', async () => {
    let status = 500
    const { send, scrape } = await start(
      { us: (res) => res.writeHead((status += 1)).end() },
      { entries: { us: { breaker: { minimum_calls: 10_000 } } } },
    )
    for (let asked = 0; asked < 110; asked++) await send(OPTIONS_LOAD, blockSuggestion({ value: String(asked) }))
    expect((await scrape()).get('region_results_total')?.series).toHaveLength(101)
  })

  it('types, workspaces and words requests name, none becomes a label', async () => {
    const { send, scrape } = await start({ us: says(200) })
    const odd = 'odd-word"\\\n'
    await send(EVENT, event('1', { team_id: 'T0ODDWORD01', event: { type: odd } }))
    await send(EVENT, { body: JSON.stringify({ type: odd }), contentType: 'application/json' })
    await send(COMMANDS, slashCommand({ command: `/${odd}`, text: odd, team_id: odd }))
    await send(ACTION, blockActions({ type: odd }))
    await send(`/extensions/slack/${encodeURIComponent(odd)}/`, blockActions())
    expect(JSON.stringify([...(await scrape())])).not.toMatch(/odd-?word/i)
  })
})

describe('after a busy day', () => {
  it('every metric has series', async () => {
    const slack = await startFakeRegion()
    const collector = await startCollector()
    closing.push(
      () => slack.close(),
      () => collector.close(),
    )
    const held: ServerResponse[] = []
    const { send, post, clock, scrape, gateway, regions, value } = await start(
      { us: (res, { url }) => (url.includes('commands') ? held.push(res) : res.end()), eu: says(422) },
      {
        directory: workspace({ acme: 'us', beta: 'eu' }),
        slack: { all_region_events: ['*'] },
        env: {
          SLACK_RESPONSE_HOSTS: `127.0.0.1:${slack.port}`,
          RATE_LIMIT_PER_MINUTE: '4',
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        },
      },
    )
    // A duplicate, a dead letter, a hint and somebody nobody knows.
    await send(EVENT, event('1'))
    await send(EVENT, event('1'))
    await send(COMMANDS, slashCommand({ team_id: 'T0NOBODY001' }))
    await send(EVENT, appRateLimited())
    // An answer that is late and then told.
    const command = send(COMMANDS, slashCommand({ text: 'link team acme', response_url: `${slack.url}/actions/1` }))
    await regions.us.nextRequest()
    await regions.us.nextRequest()
    await passBudget({ clock, gateway })
    await command
    expect(await value('late_answers_owed')).toBe(1)
    held[0]?.end('done')
    await expect.poll(() => value('late_answers_total', { result: 'posted' })).toBe(1)
    // More than is wanted, and what is not wanted at all.
    for (const name of ['2', '3', '4', '5']) await send(EVENT, event(name))
    await until(
      clock,
      async () => (await value('deferred_deliveries_total', { region: 'us', result: 'delivered' })) !== undefined,
    )
    await gateway.steering.putShed([{ provider: 'slack', answer: 'ok' }], {
      author: 'test',
      precondition: { kind: 'none' },
    })
    await send(EVENT, event('6'))
    await post(EVENT, '{}', { secret: 'another' })

    const silent = [...(await scrape())].flatMap(([name, { series }]) => (series.length === 0 ? [name] : []))
    expect(silent).toEqual(['records_dropped_total', 'spans_dropped_total'])
  })
})

describe('a reload', () => {
  it('that fails is counted', async () => {
    const { gateway, value } = await start({ us: says(200) })
    const { REGIONS_FILE } = gateway.configuration().settings
    await writeFile(REGIONS_FILE, 'version: 2\n')
    gateway.reload()
    expect(await value('config_reload_failed_total')).toBe(1)
  })
})

describe('the process', () => {
  it('tells of itself, and of how late the event loop was', async () => {
    const { value } = await start({ us: says(200) })
    expect(await value('process_cpu_seconds_total')).toBeGreaterThan(0)
    expect(await value('process_resident_memory_bytes')).toBeGreaterThan(10_000_000)
    expect(await value('process_start_time_seconds')).toBeGreaterThan(1_600_000_000)
    await expect.poll(() => value('nodejs_eventloop_lag_max_seconds')).toBeGreaterThan(0)
    expect(await value('build_info', { version: '0.1.0', node: process.versions.node })).toBe(1)
    expect(await value('draining')).toBe(0)
  })

  it('says when it drains', async () => {
    const { gateway, value } = await start({ us: says(200) })
    gateway.startDraining()
    expect(await value('draining')).toBe(1)
  })
})
