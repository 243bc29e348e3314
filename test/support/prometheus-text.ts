/** One series of a scrape. */
export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ParsedFamily {
  readonly type: string
  readonly help: string
  readonly series: readonly Series[]
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const HELP = new RegExp(`^# HELP (${NAME}) (\\S.*)$`)
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`)
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`, 's')
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(,|$)/y

/**
 * Reads the text format more strictly than Prometheus does: each family is told once and in one piece, help and type
 * before its series, no series twice, and each is what its type says. Throws at the first line that is not so.
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format)
 */
export function parsePrometheusText(text: string): ReadonlyMap<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families = new Map<string, ParsedFamily>()
  const lines = text.slice(0, -1).split('\n')
  while (lines.length > 0) {
    const [, name, help = ''] = HELP.exec(lines.shift() ?? '') ?? fail('no help', lines)
    const [, typed, type = ''] = TYPE.exec(lines.shift() ?? '') ?? fail('no type', lines)
    if (name === undefined || typed !== name || families.has(name)) throw new Error(`${name}: told twice, or not typed`)
    const series: Series[] = []
    while (lines[0] !== undefined && !lines[0].startsWith('#')) series.push(sampleIn(lines.shift() ?? ''))
    check(name, type, series)
    families.set(name, { type, help, series })
  }
  return families
}

function fail(why: string, lines: readonly string[]): never {
  throw new Error(`${why} before: ${lines[0]}`)
}

function sampleIn(line: string): Series {
  const [, name, inBraces = '', number] = SAMPLE.exec(line) ?? fail('no sample', [line])
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < inBraces.length) {
    const [, label = '', value = ''] = LABEL.exec(inBraces) ?? fail('no label', [line])
    if (label in labels) throw new Error(`a label twice: ${line}`)
    labels[label] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  if (name === undefined || number === undefined || !/^(?:[+-]?Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.test(number)) {
    throw new Error(`no number: ${line}`)
  }
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) }
}

function check(family: string, type: string, series: readonly Series[]): void {
  const seen = new Set<string>()
  for (const { name, labels, value } of series) {
    const key = JSON.stringify([name, Object.entries(labels)])
    if (seen.has(key)) throw new Error(`told twice: ${key}`)
    seen.add(key)
    if (Number.isNaN(value)) throw new Error(`${name}: not a number`)
    if (type !== 'gauge' && value < 0) throw new Error(`${name}: ${value}`)
    if (type !== 'histogram' && name !== family) throw new Error(`${name} among ${family}`)
  }
  if ((type === 'counter') !== family.endsWith('_total')) throw new Error(`${family} is a ${type}`)
  if (type === 'histogram') checkHistogram(family, series)
}

function checkHistogram(family: string, series: readonly Series[]): void {
  const of = ({ labels }: Series): string => JSON.stringify({ ...labels, le: undefined })
  for (const [which, those] of Map.groupBy(series, of)) {
    const parts = Map.groupBy(those, ({ name }) => name.slice(family.length))
    const [sum, count] = [parts.get('_sum') ?? [], parts.get('_count') ?? []]
    const buckets = (parts.get('_bucket') ?? []).map(({ labels: { le = '' }, value }) => ({
      bound: le === '+Inf' ? Infinity : Number(le),
      value,
    }))
    const isAscending = buckets.every(({ bound, value }, at) => {
      const before = buckets[at - 1]
      return before === undefined || (bound > before.bound && value >= before.value)
    })
    const last = buckets.at(-1)
    const isWhole = parts.size === 3 && sum.length === 1 && count.length === 1
    if (!isWhole || !isAscending || last?.bound !== Infinity || last.value !== count[0]?.value) {
      throw new Error(`${family}${which} is no histogram`)
    }
  }
}
