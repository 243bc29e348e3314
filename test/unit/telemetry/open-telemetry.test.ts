import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { createOtlpExporter } from '../../../src/telemetry/open-telemetry.ts'
import type { Span } from '../../../src/telemetry/span.ts'
import { startCollector } from '../../support/collector.ts'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const service = { name: 'a-gateway', version: '1.2.3', instance: 'abcd' }

async function start(path = '') {
  const collector = await startCollector()
  closing.push(() => collector.close())
  const headers = { 'x-key': 'a key' }
  const exporter = createOtlpExporter({ endpoint: new URL(`${collector.url}${path}`), headers, service })
  closing.push(() => exporter.close())
  return { collector, ...exporter }
}

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((id) => Buffer.from(id).toString('hex'))
// All zero is no id, and says so on the wire by not being there.
const id = (bytes: number) => hex(bytes).filter((text) => /[^0]/.test(text))
const context = fc.record({ traceId: id(16), spanId: id(8) })
const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const moment = fc.double({ min: 0, max: 4_000_000_000_000, noNaN: true })

// There is one zero on the wire.
const number = fc.double({ min: -1e15, max: 1e15, noNaN: true }).map((any) => any + 0)

const anySpan: fc.Arbitrary<Span> = fc
  .record(
    {
      name: text,
      kind: fc.constantFrom('server', 'client', 'internal'),
      context,
      parent: fc.record({ spanId: id(8), isRemote: fc.boolean() }),
      link: context,
      startMs: moment,
      took: fc.double({ min: 0, max: 100_000, noNaN: true }),
      failed: fc.boolean(),
      attributes: fc.dictionary(text, fc.oneof(text, fc.integer(), number, fc.array(text))),
    },
    { requiredKeys: ['name', 'kind', 'context', 'startMs', 'took', 'failed', 'attributes'] },
  )
  .map(({ took, ...span }) => ({ ...span, endMs: span.startMs + took }))

const kinds = { internal: 1, server: 2, client: 3 }
const toMs = (ns: bigint) => Number(ns) / 1e6

describe('an exported span', () => {
  it('arrives as it is, whatever it is, by the field numbers of the protocol', async () => {
    const { collector, exportSpans } = await start()
    await fc.assert(
      fc.asyncProperty(fc.array(anySpan, { minLength: 1, maxLength: 5 }), async (spans) => {
        collector.spans.length = 0
        await exportSpans(spans)
        const arrived = collector.spans.map(({ startNs: _start, endNs: _end, ...span }) => span)
        expect(arrived).toEqual(
          spans.map(({ context, parent, name, kind, attributes, link, failed }) => ({
            resource: { 'service.name': 'a-gateway', 'service.version': '1.2.3', 'service.instance.id': 'abcd' },
            scope: 'silo-gateway',
            ...context,
            parent: parent?.spanId,
            name,
            kind: kinds[kind],
            attributes,
            links: link === undefined ? [] : [link],
            status: failed ? 2 : 0,
            sampled: true,
          })),
        )
        const times = collector.spans.flatMap(({ startNs, endNs }) => [toMs(startNs), toMs(endNs)])
        const off = spans
          .flatMap(({ startMs, endMs }) => [startMs, endMs])
          .map((ms, at) => Math.abs(ms - (times[at] ?? 0)))
        // A millisecond since 1970 has three digits behind the point that a number can hold.
        expect(Math.max(...off)).toBeLessThan(0.001)
      }),
      { numRuns: 60 },
    )
  })

  it('has no attribute for what is not known', async () => {
    const { collector, exportSpans } = await start()
    const spans = fc.sample(anySpan, 1)
    await exportSpans(spans.map((span) => ({ ...span, attributes: { known: 1, unknown: undefined } })))
    expect(collector.spans[0]?.attributes).toEqual({ known: 1 })
  })

  it.each(['', '/', '/otlp', '/otlp/'])('is sent below the endpoint %j, with the headers there are', async (path) => {
    const { collector, exportSpans } = await start(path)
    await exportSpans(fc.sample(anySpan, 1))
    expect(collector.headers()).toMatchObject({ 'x-key': 'a key', 'content-type': 'application/x-protobuf' })
    expect(collector.lastUrl()).toBe(`${path.replace(/\/$/, '')}/v1/traces`)
  })
})
