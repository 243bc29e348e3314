import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { renderConfigurationReference, withReference } from '../../../scripts/config-reference.ts'
import { coreVariables } from '../../../src/config/environment.ts'
import { providers } from '../../../src/providers/index.ts'

const reference = renderConfigurationReference(providers)
const readme = resolve(import.meta.dirname, '../../../README.md')
const cells = (row: string) => row.split(/(?<!\\)\|/).map((text) => text.trim())
const rows = new Map(reference.split('\n').map((line) => [cells(line)[1], cells(line)]))

describe('the configuration reference', () => {
  it.each([
    ...Object.keys(coreVariables.shape),
    ...providers.flatMap(({ environment }) => Object.keys(environment.shape)),
  ])('describes %s', (name) => {
    expect(rows.get(`\`${name}\``)?.[3]).toMatch(/\w/)
  })

  it('tells the default, none, or that there must be a value', () => {
    expect(rows.get('`PORT`')?.[2]).toBe('`8080`')
    expect(rows.get('`ADMIN_TOKEN`')?.[2]).toBe('none')
    expect(rows.get('`TRUSTED_PROXIES`')?.[2]).toBe('none')
    expect(rows.get('`SLACK_SIGNING_SECRETS`')?.[2]).toBe('required')
    expect(rows.get('`slack.all_region_events`')?.[2]).toBe('`["app_uninstalled","tokens_revoked"]`')
  })

  it.each([
    'version',
    'regions',
    ...[
      'name',
      'address',
      'category',
      'state',
      'signing_key',
      'max_concurrency',
      'max_queue',
      'timeout_ms',
      'breaker',
      'idempotent',
      'max_spool_mb',
      'tls',
    ].map((key) => `regions[].${key}`),
    ...['failure_rate', 'minimum_calls', 'window_ms', 'open_ms'].map((key) => `regions[].breaker.${key}`),
    ...['ca_file', 'cert_file', 'key_file'].map((key) => `regions[].tls.${key}`),
    ...['links', 'first_region_actions', 'local_actions', 'all_region_events', 'events_on_failure'].map(
      (key) => `slack.${key}`,
    ),
  ])('describes %s of regions.yaml', (key) => {
    expect(rows.get(`\`${key}\``)?.[3]).toMatch(/\w/)
  })

  it('cannot be made of a variable without a description', () => {
    const silent = { name: 'acme', environment: z.object({ ACME: z.string() }), rules: z.object({}) }
    expect(() => renderConfigurationReference([silent])).toThrow('ACME has no description')
  })

  it('takes its place between the marks, and needs them', () => {
    const before = 'a\n<!-- configuration:begin -->\nold\n<!-- configuration:end -->\nz\n'
    expect(withReference(before, 'new')).toBe(
      'a\n<!-- configuration:begin -->\n\nnew\n\n<!-- configuration:end -->\nz\n',
    )
    expect(() => withReference('a', 'new')).toThrow('README.md must hold')
  })

  it('is the one that stands in the README', () => {
    const text = readFileSync(readme, 'utf8')
    expect(text, 'run node scripts/config-reference.ts').toBe(withReference(text, reference))
  })
})
