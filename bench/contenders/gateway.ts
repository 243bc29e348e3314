import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { SECRET } from '../slack-event.ts'
import { TEAM } from '../slack-command.ts'
import { furnish, type GatewayEnv, type ServingGateway, type Stage } from '../stage.ts'

const KEY = `bench:${Buffer.alloc(32, 7).toString('base64')}`

/** The gateway as it is shipped, signing towards its regions, with an organization of one workspace in each of them. */
export async function startGateway(stage: Stage, regions: readonly string[]): Promise<ServingGateway> {
  return await stage.serve(await furnishGateway(stage, regions))
}

/** Its files, and the environment to serve with. */
export async function furnishGateway(stage: Stage, regions: readonly string[]): Promise<GatewayEnv> {
  return await furnishWith(
    stage,
    regions.map((address, at) => ({ name: `r${at}`, address })),
    {
      integrations: [{ id: 1, provider: 'slack', external_id: TEAM, name: 'Bench', status: 'active' }],
      organizations: regions.map((_, at) => organization(at)),
      organization_integrations: regions.map((_, at) => ({
        integration_id: 1,
        organization_id: organization(at).id,
        status: 'active',
      })),
    },
  )
}

/** The same with regions of these names, and another directory. */
export async function furnishWith(
  stage: Stage,
  regions: readonly { readonly name: string; readonly address: string }[],
  directory: object,
): Promise<GatewayEnv> {
  const lines = regions.map(({ name, address }) => `  - { name: ${name}, address: '${address}', signing_key: bench }\n`)
  return await furnish(mkdtempSync(join(stage.folder, 'gateway-')), {
    regions: `version: 1\nregions:\n${lines.join('')}`,
    directory,
    env: { SLACK_SIGNING_SECRETS: SECRET, REGION_SIGNING_KEYS: KEY, SPOOL_KEYS: KEY },
  })
}

function organization(at: number) {
  return { id: 10 + at, slug: `bench-${at}`, name: `Bench ${at}`, region: `r${at}`, status: 'active' }
}
