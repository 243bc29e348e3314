/** `labels`: the values, in the order in which their names are declared. */
export interface Sample {
  readonly values: readonly string[]
  readonly value: number
  /** What follows the family's name, and a label behind all others: a histogram's. */
  readonly suffix?: string
  readonly le?: string
}

export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly samples: Iterable<Sample>
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export function textFormat(families: Iterable<Family>): string {
  let text = ''
  for (const { name, type, help, labels, samples } of families) {
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
    for (const { values, value, suffix = '', le } of samples) {
      const series =
        le === undefined
          ? seriesName(name + suffix, labels, values)
          : seriesName(name + suffix, [...labels, 'le'], [...values, le])
      text += `${series} ${numberText(value)}\n`
    }
  }
  return text
}

/** `name{label="value",…}`, the labels in the order in which they are declared. */
export function seriesName(name: string, labels: readonly string[], values: readonly string[]): string {
  const pairs = labels.map((label, at) => `${label}="${escaped(values[at] ?? '')}"`)
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}

/** As Go reads it. */
function numberText(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}
