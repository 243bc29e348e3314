import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { renderMetricsReference } from '../../../scripts/metrics-reference.ts'
import { counters, histograms, readings } from '../../../src/telemetry/metrics.ts'

const declared = { ...counters, ...histograms, ...readings }

describe('docs/metrics.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8')

  it('is what the list of metrics says', () => {
    expect(text, 'run node scripts/metrics-reference.ts').toBe(renderMetricsReference())
  })

  it('names every metric once', () => {
    const named = [...text.matchAll(/^\| `([a-z0-9_]+)` /gm)].map(([, name]) => name)
    expect(named.filter((name = '') => name in declared)).toEqual(Object.keys(declared))
  })
})

describe('the list of metrics', () => {
  it('names nothing twice', () => {
    const count = [counters, histograms, readings].reduce((sum, one) => sum + Object.keys(one).length, 0)
    expect(Object.keys(declared)).toHaveLength(count)
  })

  // https://prometheus.io/docs/practices/naming/
  it.each(Object.keys(declared))(
    '%s is named as Prometheus would have it: base units, and counts end in _total',
    (name) => {
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/)
      const isCount =
        name in counters || (name in readings && readings[name as keyof typeof readings].type === 'counter')
      expect(name.endsWith('_total')).toBe(isCount)
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|megabytes|minutes|hours)(_|$)/)
      expect(name.endsWith('_seconds')).toBe(name in histograms || /_(age|time|lag_\w+)_seconds$/.test(name))
    },
  )

  it.each(Object.entries(histograms))('%s has buckets that grow', (_, { buckets }) => {
    expect(buckets).toEqual([...new Set(buckets)].toSorted((one, other) => one - other))
  })

  it('says of each what it is in one sentence or more', () => {
    for (const { help } of Object.values(declared)) expect(help).toMatch(/^\S.*[.]$/)
  })
})
