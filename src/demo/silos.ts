import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Clock } from '../clock.ts'
import { createGateway } from '../gateway.ts'
import { startRegion, type Region, type RegionOptions } from '../region/region.ts'
import { serve } from '../serve.ts'
import { silentLog } from '../telemetry/log.ts'
import type { WebhookRecord } from '../telemetry/trace.ts'
import { workspace } from './slack-simulator.ts'

export const regionNames = ['us', 'eu', 'ap'] as const
export type RegionName = (typeof regionNames)[number]

/** One organization a region; all of them use the one Slack workspace. */
export const organizations = {
  us: { id: 10, slug: 'acme' },
  eu: { id: 20, slug: 'globex' },
  ap: { id: 30, slug: 'initech' },
} as const satisfies Record<RegionName, { id: number; slug: string }>

export interface Silos {
  readonly publicUrl: string
  readonly signingSecret: string
  readonly regions: Readonly<Record<RegionName, Region>>
}

export interface SilosParts {
  readonly clock: Clock
  /** `host:port` at which late answers are heard. */
  readonly responseHost: string
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
  { clock, responseHost, onWebhook, onAnswer }: SilosParts,
): Promise<Silos> {
  const folder = stack.adopt(await mkdtemp(join(tmpdir(), 'silo-gateway-demo-')), (path) =>
    rm(path, { recursive: true }),
  )
  const start = async (name: RegionName): Promise<{ region: Region; key: string }> => {
    const key = `${name}-demo:${randomBytes(32).toString('base64')}`
    const started = await startRegion({
      name,
      keys: key,
      clock,
      onAnswer: (...answered) => void onAnswer(name, ...answered),
    })
    return { region: stack.adopt(started, (region) => region.close()), key }
  }
  const us = await start('us')
  const eu = await start('eu')
  const ap = await start('ap')
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
      })),
      slack: { links: ['https?://[^/]+/organizations/(?<org>[a-z0-9-]+)/'] },
    }),
  )
  const directoryFile = join(folder, 'directory.json')
  await writeFile(directoryFile, JSON.stringify(directory()))

  const signingSecret = randomBytes(16).toString('hex')
  const gateway = await createGateway({
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: '0',
      DATABASE_URL: `sqlite:${join(folder, 'demo.db')}`,
      REGIONS_FILE: regionsFile,
      REGION_SIGNING_KEYS: [us, eu, ap].map(({ key }) => key).join(','),
      SLACK_SIGNING_SECRETS: signingSecret,
      SLACK_RESPONSE_HOSTS: responseHost,
      SPOOL_KEYS: `demo:${randomBytes(32).toString('base64')}`,
    },
    clock,
    // Its lines would stand between the demo's own, which tell the same.
    log: silentLog,
    onWebhook,
  })
  const serving = await serve(gateway)
  stack.defer(async () => void (await serving.drain()))
  await gateway.store.importFile(directoryFile, { author: 'demo', knownRegions: new Set(regionNames) })
  return { publicUrl: serving.publicUrl, signingSecret, regions }
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
