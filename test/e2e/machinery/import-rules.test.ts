import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempDisposableSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'

const checkout = join(import.meta.dirname, '../../..')

/** One file that breaks each rule; what it imports is made as an empty module where it is not there already. */
const violations: Readonly<Record<string, readonly [file: string, source: string]>> = {
  'no-circular': ['src/regions/a.ts', "import { b } from './b.ts'\nexport const a = () => b"],
  'no-unresolvable': ['src/regions/lost.ts', "import './nowhere.ts'"],
  'src-stands-alone': ['src/regions/tested.ts', "import '../../test/support/clock.ts'"],
  'no-dev-dependencies': ['src/regions/dev.ts', "import 'fast-check'"],
  'wire-imports-nothing': ['src/wire/a.ts', "import '../errors.ts'"],
  'region-kit-imports-wire-only': ['src/region-kit/a.ts', "import type { A } from '../errors.ts'"],
  'providers-behind-their-index': ['src/regions/provider.ts', "import '../providers/slack/verify.ts'"],
  'providers-are-handed-in': ['src/middleware.ts', "import './providers/index.ts'"],
  'providers-apart': ['src/providers/other/a.ts', "import '../slack/verify.ts'"],
  'providers-see-their-contract': ['src/providers/slack/a.ts', "import type { A } from '../../gateway.ts'"],
  'providers-take-types': ['src/providers/slack/b.ts', "import { type A, b } from '../../directory/store.ts'"],
  'resolve-comes-before-dispatch': ['src/resolve/a.ts', "import type { A } from '../dispatch/plan.ts'"],
  'journey-rooms-take-types': [
    'src/dispatch/a.ts',
    "import type { A } from '../resolve/resolve.ts'\nimport { b } from '../resolve/resolve.ts'",
  ],
  'spool-knows-no-use': ['src/spool/a.ts', "import type { A } from '../delivery/mailboxes.ts'"],
  'spools-apart': ['src/spool/sqlite/a.ts', "import type { A } from '../postgres/rows.ts'"],
  'spools-behind-their-port': ['src/delivery/a.ts', "import '../spool/sqlite/rows.ts'"],
  'stages-are-not-parts': ['src/regions/stage.ts', "import '../demo/demo.ts'"],
  'command-line-on-top': ['src/regions/cli.ts', "import '../cli/program.ts'"],
  'serve-alone-opens-a-gateway': ['src/cli/other.ts', "import { createGateway } from '../gateway.ts'"],
  'console-in-a-browser': ['console/src/a.ts', "import 'node:fs'"],
  'console-takes-types': ['console/src/b.tsx', "import { c } from '../../src/admin/routes.ts'"],
  'console-knows-answers-only': ['console/src/c.ts', "import type { A } from '../../src/gateway.ts'"],
  'express-at-listeners': ['src/regions/web.ts', "import type { Express } from 'express'"],
  'undici-where-dialled': ['src/delivery/b.ts', "import 'undici'"],
  'sqlite-in-one-file': ['src/database/other.ts', "import 'node:sqlite'"],
  'pg-in-one-file': ['src/database/other-pool.ts', "import type { Pool } from 'pg'"],
  'kysely-at-the-database': ['src/resolve/b.ts', "import type { Kysely } from 'kysely'"],
  'ioredis-in-the-fleet': ['src/dedup/b.ts', "import type { Redis } from 'ioredis'"],
  'pino-in-telemetry': ['src/resolve/c.ts', "import 'pino'"],
  'opentelemetry-in-one-file': ['src/telemetry/a.ts', "import type { Span } from '@opentelemetry/api'"],
  'opentelemetry-when-needed': ['src/telemetry/b.ts', "import './open-telemetry.ts'"],
  'redis-when-needed': ['src/limit/redis.ts', "import '../fleet/redis.ts'"],
  'pg-when-needed': ['src/cli/pg.ts', "import '../spool/postgres/postgres-spool.ts'"],
  'commander-in-cli': ['src/regions/options.ts', "import 'commander'"],
  'process-is-global': ['src/regions/process.ts', "import { env } from 'node:process'"],
}

/** What the rules must let through. */
const lawful: Readonly<Record<string, string>> = {
  'src/regions/b.ts': "import './a.ts'\nexport const b = 1",
  'src/regions/types-a.ts': "import type { B } from './types-b.ts'\nexport type A = B",
  'src/regions/types-b.ts': "import type { A } from './types-a.ts'\nexport type B = A",
  'src/providers/slack/lawful.ts':
    "import type { A } from '../../directory/store.ts'\nimport '../../directory/id.ts'\nimport '../../errors.ts'",
  'src/dispatch/region-client.ts':
    "import 'undici'\nimport type { A } from '../resolve/resolve.ts'\nimport '../wire/b.ts'",
  'src/delivery/post-answer.ts': "import 'undici'",
  'src/delivery/lawful.ts': "import '../spool/spool.ts'",
  'src/spool/spool.ts': "import type { A } from '../directory/store.ts'",
  'src/spool/sqlite/lawful.ts': "import '../spool.ts'\nimport './rows.ts'\nimport '../../database/sqlite.ts'",
  'src/spool/open-spool.ts': "import './sqlite/rows.ts'\nimport './postgres/rows.ts'",
  'src/cli/serve.ts': "import { createGateway } from '../gateway.ts'",
  'src/cli/a.ts': "import type { Gateway } from '../gateway.ts'",
  'src/cli/stores.ts': "import '../spool/postgres/rows.ts'",
  'src/public-listener.ts': "import 'express'",
  'src/telemetry/open-telemetry.ts': "import '@opentelemetry/api'",
  'src/telemetry/open-tracing.ts': "export const load = () => import('./open-telemetry.ts')",
  'src/database/sqlite.ts': "import 'node:sqlite'\nimport 'kysely'",
  'src/directory/store.ts': "import 'kysely'",
  'console/src/lawful.tsx':
    "import 'preact'\nimport './a.ts'\nimport './style.css'\nimport type { C } from '../../src/admin/routes.ts'",
}

const empty = ['errors', 'gateway', 'demo/demo', 'cli/program', 'wire/b', 'resolve/resolve', 'dispatch/plan']
  .concat(['directory/store', 'directory/id', 'providers/index', 'providers/slack/verify', 'admin/routes'])
  .concat(['delivery/mailboxes', 'spool/sqlite/rows', 'spool/postgres/rows', 'spool/postgres/postgres-spool'])
  .concat(['fleet/redis'])
  .map((name) => `src/${name}.ts`)
  .concat('test/support/clock.ts', 'console/src/style.css')

interface Cruise {
  readonly modules: readonly { readonly source: string }[]
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[]
    readonly ruleSetUsed: { readonly forbidden: readonly { readonly name: string }[] }
  }
}

function cruise(files: Readonly<Record<string, string>>): Cruise {
  using tree = plant(files)
  copyFileSync(join(checkout, 'package.json'), join(tree.path, 'package.json'))
  copyFileSync(join(checkout, 'tsconfig.json'), join(tree.path, 'tsconfig.json'))
  symlinkSync(join(checkout, 'node_modules'), join(tree.path, 'node_modules'))
  const bin = join(checkout, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const rules = join(checkout, '.dependency-cruiser.mjs')
  const run = spawnSync(process.execPath, [bin, 'src', 'console', '--config', rules, '--output-type', 'json'], {
    cwd: tree.path,
    encoding: 'utf8',
  })
  if (run.stdout === '') throw new Error(run.stderr)
  return JSON.parse(run.stdout) as Cruise
}

function plant(files: Readonly<Record<string, string>>) {
  const tree = mkdtempDisposableSync(join(tmpdir(), 'house-'))
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(tree.path, file)), { recursive: true })
    writeFileSync(join(tree.path, file), `${source}\n`)
  }
  return tree
}

describe('the import rules', () => {
  let found: Cruise

  beforeAll(() => {
    const files = { ...Object.fromEntries(empty.map((file) => [file, 'export {}'])), ...lawful }
    found = cruise({ ...files, ...Object.fromEntries(Object.values(violations)) })
  })

  it('are each held to a violation here', () => {
    expect(Object.keys(violations)).toEqual(found.summary.ruleSetUsed.forbidden.map(({ name }) => name))
  })

  // Without a compiler API that it understands, the checker sees no module, finds no violation and is content.
  it('see every module of the tree', () => {
    const seen = found.modules.map(({ source }) => source)
    expect(seen).toEqual(
      expect.arrayContaining([...Object.keys(lawful), ...Object.values(violations).map(([file]) => file)]),
    )
  })

  it.each(Object.entries(violations))('%s catches its violation', (rule, [file]) => {
    expect(found.summary.violations).toContainEqual(
      expect.objectContaining({ from: file, rule: expect.objectContaining({ name: rule }) }),
    )
  })

  it.each(Object.keys(lawful).filter((file) => file !== 'src/regions/b.ts'))('let %s be', (file) => {
    expect(found.summary.violations.filter(({ from }) => from === file)).toEqual([])
  })
})

describe('the environment and the process', () => {
  const reads = 'export const port = process.env.PORT\n'
  const ends = "process.on('SIGTERM', () => process.exit(0))\n"

  function faults(file: string, source: string): number {
    using tree = plant({ [file]: source })
    copyFileSync(join(checkout, '.oxlintrc.json'), join(tree.path, '.oxlintrc.json'))
    const bin = join(checkout, 'node_modules/oxlint/bin/oxlint')
    const run = spawnSync(process.execPath, [bin, '-c', '.oxlintrc.json', '--format', 'json', '.'], {
      cwd: tree.path,
      encoding: 'utf8',
    })
    const { diagnostics } = JSON.parse(run.stdout) as { diagnostics: { code: string }[] }
    return diagnostics.filter(({ code }) => code.includes('no-restricted-properties')).length
  }

  it.each([
    ['src/gateway.ts', reads, 1],
    ['src/gateway.ts', 'export const { env } = process', 1],
    ['src/gateway.ts', ends, 2],
    ['src/config/environment.ts', reads, 0],
    ['src/config/environment.ts', ends, 2],
    ['src/main.ts', ends, 0],
    ['src/main.ts', reads, 1],
    ['test/a.test.ts', reads, 0],
  ])('%s with %j has %i faults', (file, source, count) => {
    expect(faults(file, source)).toBe(count)
  })
})
