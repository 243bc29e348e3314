import { readFileSync, writeFileSync } from 'node:fs'
import { counters, histograms, labelValues, readings, type Described } from '../src/telemetry/metrics.ts'
import { markdownTable } from './markdown-table.ts'

/** docs/metrics.md, from the list of all that is measured. */
export function renderMetricsReference(): string {
  return `# Metrics

\`GET /metrics\` on the admin listener (\`ADMIN_PORT\`, 8081) tells Prometheus what is below, in its text format. It needs no
token, as health does not: it names regions, and nobody's data. Each gateway of a fleet tells of itself; what says so
is of the whole fleet, and the same from each: take its maximum, not its sum. The store is waited for a second at most.

Names have no prefix: the scrape's \`job\` tells whose they are, and \`metric_relabel_configs\` can give them one. Times are
in seconds, sizes in bytes. [monitoring/](../monitoring) has an example dashboard for Grafana and alert rules.

\`\`\`yaml
scrape_configs:
  - job_name: silo-gateway
    static_configs: [{ targets: ['127.0.0.1:8081'] }]
\`\`\`

This page is written by \`node scripts/metrics-reference.ts\` from [src/telemetry/metrics.ts](../src/telemetry/metrics.ts).

## Labels

No value comes from a request; regions are those of \`regions.yaml\`, and beyond a hundred values of any other label the
rest is told as \`other\`.

${markdownTable([['label', 'values'], ...Object.entries(labelValues).map(([label, values]) => [code(label), values])])}

## Counters

Those without labels are there from the start, the others from when they first counted.

${tableOf(counters, ['counter', 'labels', ''], ({ labels, help }) => [listed(labels), help])}

## Histograms

${tableOf(histograms, ['histogram', 'labels', 'buckets', ''], ({ labels, buckets, help }) => [
  listed(labels),
  buckets.join(', '),
  help,
])}

Slack says when it sent a webhook in \`X-Slack-Request-Timestamp\`. It switches an app off, for all its customers, when 95 %
of its events within an hour, of a thousand and more, were not answered 2xx within three seconds.

## Read at the scrape

${tableOf(readings, ['name', 'type', 'labels', ''], ({ type, labels, help }) => [type, listed(labels), help])}
`
}

function tableOf<Declared extends Described>(
  declared: Readonly<Record<string, Declared>>,
  head: readonly string[],
  cells: (one: Declared) => readonly string[],
): string {
  return markdownTable([head, ...Object.entries(declared).map(([name, one]) => [code(name), ...cells(one)])])
}

function listed(labels: readonly string[]): string {
  return labels.map(code).join(', ')
}

function code(name: string): string {
  return `\`${name}\``
}

if (import.meta.main) {
  const path = new URL('../docs/metrics.md', import.meta.url)
  const renewed = renderMetricsReference()
  if (!process.argv.includes('--check')) writeFileSync(path, renewed)
  else if (readFileSync(path, 'utf8') !== renewed) {
    console.error('docs/metrics.md is behind the metrics: run node scripts/metrics-reference.ts')
    process.exitCode = 1
  }
}
