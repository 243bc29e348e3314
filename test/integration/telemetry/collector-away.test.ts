import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { startCollector, type Collector } from '../../support/collector.ts'
import type { Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { freePort } from '../../support/ports.ts'
import { useSilos } from '../../support/silos.ts'
import { slashCommand } from '../../support/slack-payloads.ts'
import { until } from '../../support/steps.ts'

const closing: Collector[] = []
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close()
})
const silos = useSilos()

async function setUp({ answer, url }: { readonly answer?: Answer; readonly url?: string }) {
  const collector = await startCollector(answer && { answer })
  closing.push(collector)
  const clock = createManualClock({ now: Date.now() })
  const started = await silos(
    { us: undefined },
    {
      clock,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: url ?? collector.url },
    },
  )
  return {
    ...started,
    clock,
    collector,
    send: async () => {
      const { body, contentType } = slashCommand()
      return (await started.post('/slack/events', body, { contentType })).status
    },
    warnings: () => started.logs.filter(({ message }) => message.startsWith('Traces could not be exported')),
    counted: (series: string) => started.gateway.counters.read().get(series),
  }
}

const FAILED = 'spans_dropped_total{reason="export_failed"}'

describe('while the collector of traces', () => {
  it('refuses what it gets, webhooks are answered, and one line in ten seconds says why', async () => {
    const { send, clock, warnings, counted } = await setUp({ answer: (res) => res.writeHead(500).end() })
    for (let exports = 1; exports <= 2; exports++) {
      expect(await send()).toBe(200)
      clock.advance(5000)
      await expect.poll(() => counted(FAILED)).toBe(exports * 2)
    }
    expect(warnings()).toMatchObject([{ level: 'warn', fields: { reason: 'http_500', spans: 2 } }])
  })

  it('cannot be reached, webhooks are answered, and a line says why', async () => {
    const { send, clock, warnings } = await setUp({ url: `http://127.0.0.1:${await freePort()}` })
    expect(await send()).toBe(200)
    expect(await send()).toBe(200)
    clock.advance(5000)
    // It is tried for five seconds, by a clock of its own; the rest is for a machine that stands still meanwhile.
    await expect.poll(warnings, { timeout: 30_000 }).toMatchObject([{ fields: { reason: 'ECONNREFUSED' } }])
  }, 45_000)

  it('does not answer, webhooks are, and what there is no room for is counted', async () => {
    const held: ServerResponse[] = []
    const { send, clock, collector, counted } = await setUp({ answer: (res) => held.push(res) })
    await send()
    clock.advance(5000)
    await expect.poll(() => collector.exports()).toBe(1)
    expect(await send()).toBe(200)
    clock.advance(5000)
    expect(collector.exports()).toBe(1)
    held[0]?.end()
    await expect.poll(() => counted('spans_exported_total')).toBe(2)
    clock.advance(5000)
    await expect.poll(() => collector.exports()).toBe(2)
    held[1]?.end()
    await expect.poll(() => counted('spans_exported_total')).toBe(4)
  })

  it('does not answer, the gateway closes all the same', async () => {
    const held: ServerResponse[] = []
    const { send, clock, collector, gateway, counted } = await setUp({ answer: (res) => held.push(res) })
    await send()
    clock.advance(5000)
    await expect.poll(() => collector.exports()).toBe(1)
    await send()
    const progress = { isClosed: false }
    const closed = gateway.close().then(() => (progress.isClosed = true))
    await until(clock, () => progress.isClosed)
    await closed
    expect(collector.exports()).toBe(1)
    expect(counted('spans_dropped_total{reason="closed"}')).toBe(2)
  })
})
