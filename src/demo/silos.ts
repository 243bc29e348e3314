import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Clock } from '../clock.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import type { Route } from '../admin/route.ts'
import { startRegion, type Region, type RegionOptions } from '../region/region.ts'
import { serve, type Serving } from '../serve.ts'
import { silentLog } from '../telemetry/log.ts'
import type { WebhookRecord } from '../telemetry/webhook-record.ts'
import { workspace } from './slack-simulator.ts'

export const regionNames = ['us', 'eu', 'ap'] as const
export type RegionName = (typeof regionNames)[number]

/** One organization a region; all of them use the one Slack workspace. */
export const organizations = {
  us: { id: 10, slug: 'acme' },
  eu: { id: 20, slug: 'globex' },
  ap: { id: 30, slug: 'initech' },
} as const satisfies Record<RegionName, { id: number; slug: string }>

/**
 * Where the console is, so that a page that stays open finds it again. Not where `serve` has it by default: the demo
 * gets in nobody's way.
 */
export const CONSOLE_PORT = 8090

export interface Silos {
  readonly publicUrl: string
  readonly consoleUrl: string
  readonly signingSecret: string
  readonly regions: Readonly<Record<RegionName, Region>>
}

export interface SilosParts {
  readonly clock: Clock
  /** `host:port` at which late answers are heard. */
  readonly responseHost: string
  /** What the admin listener serves besides. */
  readonly routes: (regions: Silos['regions']) => readonly Route[]
  /** Where the files of its page are. */
  readonly page: string
  readonly onWebhook: (record: WebhookRecord) => void
  /** Never to reject. */
  readonly onAnswer: (
    region: RegionName,
    ...answered: Parameters<NonNullable<RegionOptions['onAnswer']>>
  ) => Promise<void>
}

/**
 * Starts the regions, then the gateway that knows them, on free ports of loopback. Secrets are made for this run, the
 * database is a file that goes with it; whatever was started is handed to `stack`, also when a later step fails.
 */
export async function startSilos(
  stack: AsyncDisposableStack,
  { clock, responseHost, routes, page, onWebhook, onAnswer }: SilosParts,
): Promise<Silos> {
  const folder = stack.adopt(await mkdtemp(join(tmpdir(), 'silo-gateway-demo-')), (path) =>
    rm(path, { recursive: true }),
  )
  const startOne = async (name: RegionName): Promise<{ region: Region; key: string }> => {
    const key = `${name}-demo:${randomBytes(32).toString('base64')}`
    const started = await startRegion({
      name,
      keys: key,
      clock,
      onAnswer: (...answered) => void onAnswer(name, ...answered),
    })
    return { region: stack.adopt(started, (region) => region.close()), key }
  }
  const us = await startOne('us')
  const eu = await startOne('eu')
  const ap = await startOne('ap')
  const regions = { us: us.region, eu: eu.region, ap: ap.region }

  const regionsFile = join(folder, 'regions.yaml')
  await writeFile(
    regionsFile,
    stringify({
      version: 1,
      regions: regionNames.map((name) => ({
        name,
        address: regions[name].address,
        signing_key: `${name}-demo`,
        breaker: BREAKER,
      })),
      slack: { links: ['https?://[^/]+/organizations/(?<org>[a-z0-9-]+)/'] },
    }),
  )
  const directoryFile = join(folder, 'directory.json')
  await writeFile(directoryFile, JSON.stringify(directory()))

  const signingSecret = randomBytes(16).toString('hex')
  const start = async (adminPort: number): Promise<{ gateway: Gateway; serving: Serving }> => {
    const gateway = await createGateway({
      env: {
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_PORT: String(adminPort),
        DATABASE_URL: `sqlite:${join(folder, 'demo.db')}`,
        REGIONS_FILE: regionsFile,
        REGION_SIGNING_KEYS: [us, eu, ap].map(({ key }) => key).join(','),
        SLACK_SIGNING_SECRETS: signingSecret,
        SLACK_RESPONSE_HOSTS: responseHost,
        SPOOL_KEYS: `demo:${randomBytes(32).toString('base64')}`,
        // There is nobody's data in them, and the console has something to show.
        RECORD_BODIES: 'all',
      },
      clock,
      // Its lines would stand between the demo's own, which tell the same.
      log: silentLog,
      onWebhook,
    })
    return { gateway, serving: await serve(gateway, { extraRoutes: routes(regions), demo: true, page }) }
  }
  const { gateway, serving } = await start(CONSOLE_PORT).catch((error: unknown) => {
    if (isTaken(error)) return start(0)
    throw error
  })
  stack.defer(async () => void (await serving.drain()))
  await gateway.store.importFile(directoryFile, { author: 'demo', knownRegions: new Set(regionNames) })
  return { publicUrl: serving.publicUrl, consoleUrl: serving.adminUrl, signingSecret, regions }
}

/** Opens and closes while somebody watches: a region of the demo is asked twice a second. */
const BREAKER = { minimum_calls: 10, open_ms: 1000 }

/** Another demo has the port, or anybody. */
function isTaken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
}

function directory() {
  return {
    integrations: [{ id: 1, provider: 'slack', external_id: workspace.teamId, name: 'Demo workspace' }],
    organizations: regionNames.map((region) => ({
      ...organizations[region],
      name: organizations[region].slug,
      region,
    })),
    organization_integrations: regionNames.map((region) => ({
      integration_id: 1,
      organization_id: organizations[region].id,
    })),
  }
}
