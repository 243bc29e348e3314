import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { counters, histograms, readings, type Described } from '../../../src/telemetry/metrics.ts'
import { findProgram } from '../../support/server-process.ts'

const checkout = join(import.meta.dirname, '../../..')
const folder = join(checkout, 'monitoring')
const alertsFile = join(folder, 'alerts.yaml')

// https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
const duration = z.string().regex(/^\d+[smhd]$/)
const ruleFile = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^SiloGateway[A-Za-z]+$/),
          expr: z.string(),
          for: duration.optional(),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
})

const panel = z.looseObject({
  id: z.int(),
  title: z.string(),
  type: z.string(),
  targets: z.array(z.looseObject({ refId: z.string(), expr: z.string(), legendFormat: z.string() })).default([]),
})
const dashboard = z.looseObject({
  title: z.string(),
  uid: z.string(),
  // A row that is folded up holds its panels itself.
  panels: z.array(panel.extend({ panels: z.array(panel).default([]) })),
  templating: z.looseObject({
    list: z.array(z.looseObject({ name: z.string(), type: z.string(), query: z.string() })),
  }),
})

const rules = ruleFile.parse(parse(readFileSync(alertsFile, 'utf8'))).groups.flatMap((group) => group.rules)
const { panels: rows, templating } = dashboard.parse(JSON.parse(readFileSync(join(folder, 'grafana.json'), 'utf8')))
const panels = rows.flatMap((row) => [row, ...row.panels])

/** Each declared series by its name, with the labels that it may have. */
const series = new Map<string, readonly string[]>([['up', []]])
for (const [name, { labels }] of Object.entries<Described>({ ...counters, ...readings })) series.set(name, labels)
for (const [name, { labels }] of Object.entries(histograms)) {
  series.set(`${name}_bucket`, [...labels, 'le'])
  series.set(`${name}_sum`, labels)
  series.set(`${name}_count`, labels)
}
const ofTheScrape = ['job', 'instance']

const WORDS = new Set(['by', 'and', 'or', 'unless', 'on', 'ignoring', 'without'])

interface Use {
  readonly name: string
  readonly labels: readonly string[]
}

/** The series that an expression names, each with the labels it is chosen by. */
function usesIn(expr: string): Use[] {
  const bare = expr.replaceAll(/\[[^\]]*\]/g, '').replaceAll(/\bby \([^)]*\)/g, '')
  return [...bare.matchAll(/\b([a-z_:][a-z0-9_:]*)\b(?!\s*\()(?:\{([^}]*)\})?(?![^{]*\})/gi)]
    .filter(([, name = '']) => !WORDS.has(name))
    .map(([, name = '', inBraces = '']) => ({
      name,
      labels: [...inBraces.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)\s*"[^"]*"/g)].map(([, label = '']) => label),
    }))
}

/** What it is summed up by has to be a label of all that it is summed up of. */
function groupings(expr: string): string[] {
  return [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(',').map((one) => one.trim()))
}

const guide = readFileSync(join(checkout, 'docs/operating.md'), 'utf8')
const asked = [...guide.matchAll(/`([^`]*\b(?:rate|increase)\([^`]*)`/g)].map(([, expr = '']) => expr)

/** What the values of a variable are taken from, as if it were summed up by them. */
const variables = templating.list.flatMap(({ name, type, query }) =>
  type === 'query' ? [[`$${name}`, query.replace(/^label_values\((.+), (\w+)\)$/, 'sum by ($2) ($1)')] as const] : [],
)

const expressions = [
  ...variables,
  ...asked.map((expr) => ['the guide', expr] as const),
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
]

describe('what is read of an expression', () => {
  it('is each series with the labels it is chosen by', () => {
    const expr =
      'histogram_quantile(0.99, sum by (le, a) (rate(x_bucket{job="$job",a!~"5.."}[5m]))) > 12 * y_total and Z:z'
    expect(usesIn(expr)).toEqual([
      { name: 'x_bucket', labels: ['job', 'a'] },
      { name: 'y_total', labels: [] },
      { name: 'Z:z', labels: [] },
    ])
    expect(groupings(expr)).toEqual(['le', 'a'])
  })
})

describe('monitoring/', () => {
  it.each(expressions)('%s is of metrics and labels that there are: %s', (_, expr) => {
    const uses = usesIn(expr)
    expect(uses).not.toEqual([])
    for (const { name, labels } of uses) {
      expect([...series.keys()]).toContain(name)
      const known = [...(series.get(name) ?? []), ...ofTheScrape]
      for (const label of [...labels, ...groupings(expr)]) expect([name, ...known]).toContain(label)
    }
  })

  it('asks for something in each panel', () => {
    const empty = panels.filter(({ type, targets }) => type !== 'row' && targets.length === 0)
    expect(empty.map(({ title }) => title)).toEqual([])
  })

  it('names each alert once', () => {
    const names = rules.map(({ alert }) => alert)
    expect(names).toEqual([...new Set(names)])
    expect(names.length).toBeGreaterThan(15)
  })

  it('speaks only of labels that an alert has', () => {
    for (const { alert, expr, annotations } of rules) {
      const told = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
      const has = groupings(expr).length > 0 ? groupings(expr) : ofTheScrape
      for (const label of told) expect([alert, ...has]).toContain(label)
    }
  })

  it('leads from each alert to its section of the guide, in which there is no other', () => {
    const [, told = ''] = guide.split('\n## Alerts\n')
    const sections = [...told.matchAll(/^#+ (.+)\n\n\*\*(Critical|Warning)\.\*\*/gm)]
    expect(sections.map(([, alert, severity]) => [alert, severity?.toLowerCase()])).toEqual(
      rules.map(({ alert, labels }) => [alert, labels.severity]),
    )
    expect(told.match(/^#+ /gm)).toHaveLength(sections.length)
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`docs/operating.md#${alert.toLowerCase()}`)
    }
  })

  it('gives each panel an id of its own', () => {
    const ids = panels.map(({ id }) => id)
    expect(ids).toEqual([...new Set(ids)])
  })

  const promtool = findProgram('promtool')
  it.skipIf(promtool === undefined)('has rules that promtool takes', () => {
    expect(execFileSync(promtool ?? '', ['check', 'rules', alertsFile], { encoding: 'utf8' })).toContain('SUCCESS')
  })
})
