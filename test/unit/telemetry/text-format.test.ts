import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textFormat, type Family } from '../../../src/telemetry/text-format.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'

const gauge = (values: readonly string[], value: number, help = 'Help.'): Family => ({
  name: 'a_gauge',
  type: 'gauge',
  help,
  labels: ['one', 'other'],
  samples: [{ values, value }],
})

/** Every character there is, and often one that the format escapes. To list them all first takes a second. */
const character = fc.oneof(
  fc.constantFrom('"', '\\', '\n', 'n', '{', '}', ','),
  fc
    .integer({ max: 0x10_ff_ff, min: 0 })
    .filter((point) => point < 0xd8_00 || point > 0xdf_ff)
    .map((point) => String.fromCodePoint(point)),
)

describe('the text format', () => {
  it('keeps every value of a label, and every number', () => {
    const values = fc.array(fc.string({ unit: character }), { minLength: 2, maxLength: 2 })
    fc.assert(
      fc.property(values, fc.double({ noNaN: true }), ([one = '', other = ''], value) => {
        const parsed = parsePrometheusText(textFormat([gauge([one, other], value)]))
        // Prometheus knows no negative zero.
        expect(parsed.get('a_gauge')?.series).toEqual([{ name: 'a_gauge', labels: { one, other }, value: value + 0 }])
      }),
    )
  })

  it('keeps help in one line', () => {
    expect(textFormat([gauge(['', ''], 1, 'two\nlines, and a \\')])).toContain(
      String.raw`# HELP a_gauge two\nlines, and a \\` + '\n',
    )
  })

  it('tells a family without series all the same', () => {
    expect(textFormat([{ ...gauge([], 0), samples: [] }])).toBe('# HELP a_gauge Help.\n# TYPE a_gauge gauge\n')
  })
})

describe('the reader that tests use', () => {
  const head = (name: string, type: string) => `# HELP ${name} Help.\n# TYPE ${name} ${type}\n`
  const buckets = (...series: readonly string[]) => head('h', 'histogram') + series.map((line) => `h${line}\n`).join('')

  it('takes a whole histogram', () => {
    expect(() =>
      parsePrometheusText(buckets('_bucket{le="1"} 1', '_bucket{le="+Inf"} 2', '_sum 3', '_count 2')),
    ).not.toThrow()
  })

  it.each([
    ['no end of the last line', 'the last line has no end', head('g', 'gauge') + 'g 1'],
    ['no help', 'no help', '# TYPE g gauge\ng 1\n'],
    ['no type', 'no type', '# HELP g Help.\ng 1\n'],
    ['a type nobody knows', 'no type', head('g', 'gouge')],
    ['a family told twice', 'told twice', head('g', 'gauge') + head('g', 'gauge')],
    ['an empty line', 'no sample', `${head('g', 'gauge')}\n`],
    ['a series told twice', 'told twice', `${head('g', 'gauge')}g 1\ng 2\n`],
    ['a series of another family', 'f among g', `${head('g', 'gauge')}f 1\n`],
    ['a label without quotes', 'no label', `${head('g', 'gauge')}g{a=1} 1\n`],
    ['a label twice', 'a label twice', `${head('g', 'gauge')}g{a="1",a="2"} 1\n`],
    ['a quote that is not escaped', 'no label', `${head('g', 'gauge')}g{a="""} 1\n`],
    ['something behind the labels', 'no label', `${head('g', 'gauge')}g{a="1"b} 1\n`],
    ['no number', 'no number', `${head('g', 'gauge')}g one\n`],
    ['NaN', 'not a number', `${head('g', 'gauge')}g NaN\n`],
    ['a counter that is not called one', 'c is a counter', `${head('c', 'counter')}c 1\n`],
    ['a gauge that is called a counter', 'g_total is a gauge', `${head('g_total', 'gauge')}g_total 1\n`],
    ['a counter below nought', 'c_total: -1', `${head('c_total', 'counter')}c_total -1\n`],
    ['a histogram without its last bucket', 'is no histogram', buckets('_bucket{le="1"} 1', '_sum 3', '_count 1')],
    [
      'a histogram that shrinks',
      'is no histogram',
      buckets('_bucket{le="1"} 2', '_bucket{le="+Inf"} 1', '_sum 3', '_count 1'),
    ],
    [
      'a histogram whose bounds shrink',
      'is no histogram',
      buckets('_bucket{le="1"} 1', '_bucket{le="0.5"} 1', '_bucket{le="+Inf"} 1', '_sum 3', '_count 1'),
    ],
    ['a histogram without a sum', 'is no histogram', buckets('_bucket{le="+Inf"} 1', '_count 1')],
    ['a histogram that counts otherwise', 'is no histogram', buckets('_bucket{le="+Inf"} 1', '_sum 3', '_count 2')],
  ])('refuses %s', (_, why, text) => {
    expect(() => parsePrometheusText(text)).toThrow(why)
  })
})
