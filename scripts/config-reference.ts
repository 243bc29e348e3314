import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { coreVariables } from '../src/config/environment.ts'
import type { ProviderDefinition } from '../src/provider.ts'
import { regionsFileSchema } from '../src/regions/regions.ts'
import { markdownTable } from './markdown-table.ts'

export const beginMark = '<!-- configuration:begin -->'
export const endMark = '<!-- configuration:end -->'

type Definition = Pick<ProviderDefinition, 'name' | 'environment' | 'rules'>

/** The tables of variables and of regions.yaml keys, from the schemas that judge them. */
export function renderConfigurationReference(definitions: readonly Definition[]): string {
  const file = regionsFileSchema({
    file: 'regions.yaml',
    sections: [],
    signingKeys: [],
    readFile: () => Buffer.alloc(0),
  })
  const variables = [coreVariables, ...definitions.map(({ environment }) => environment)].flatMap((one) => rowsOf(one))
  const keys = [...rowsOf(file), ...definitions.flatMap(({ name, rules }) => rowsOf(rules, `${name}.`))]
  return [
    'Each variable `NAME` may also be given as `NAME_FILE`: the path of a file that holds the value (one newline at',
    'its end is dropped). Both at once, and an empty value, are faults.',
    '',
    table('variable', variables),
    '',
    table('key in `regions.yaml`', keys),
  ].join('\n')
}

/** The README with its reference made new; throws where the marks are missing. */
export function withReference(readme: string, reference: string): string {
  const begin = readme.indexOf(beginMark)
  const end = readme.indexOf(endMark)
  if (begin === -1 || end < begin) throw new Error(`README.md must hold ${beginMark} and, after it, ${endMark}`)
  return `${readme.slice(0, begin)}${beginMark}\n\n${reference}\n\n${readme.slice(end)}`
}

interface Row {
  readonly name: string
  readonly value: string
  readonly description: string
}

function rowsOf(schema: z.ZodType, prefix = ''): Row[] {
  return walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), prefix)
}

function walk({ properties = {}, required = [] }: z.core.JSONSchema.BaseSchema, prefix: string): Row[] {
  return Object.entries(properties).flatMap(([key, property]) => {
    // `not` anything: a key that is only there to be refused.
    if (typeof property === 'boolean' || property.not !== undefined) return []
    const name = `${prefix}${key}`
    const { description, items } = property
    if (description === undefined) throw new Error(`${name} has no description`)
    const isList = typeof items === 'object' && !Array.isArray(items) && items.properties !== undefined
    return [
      { name, value: required.includes(key) ? 'required' : defaultOf(property), description },
      ...(isList ? walk(items, `${name}[].`) : walk(property, `${name}.`)),
    ]
  })
}

function defaultOf(property: z.core.JSONSchema.BaseSchema): string {
  const value: unknown = property.default
  if (value === undefined || value === '') return 'none'
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

function table(heading: string, rows: readonly Row[]): string {
  return markdownTable([
    [heading, 'default', ''],
    ...rows.map(({ name, value, description }) => [`\`${name}\``, value, description]),
  ])
}

if (import.meta.main) {
  const { providers } = await import('../src/providers/index.ts')
  const path = new URL('../README.md', import.meta.url)
  const readme = readFileSync(path, 'utf8')
  const renewed = withReference(readme, renderConfigurationReference(providers))
  if (!process.argv.includes('--check')) writeFileSync(path, renewed)
  else if (readme !== renewed) {
    console.error('README.md is behind the configuration: run node scripts/config-reference.ts')
    process.exitCode = 1
  }
}
