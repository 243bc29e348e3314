import type { DirectoryContent } from '../support/test-gateway.ts'

/** The region that things are done to, and the one next to it that must not notice. */
export const regionNames = ['hurt', 'well'] as const
export type RegionName = (typeof regionNames)[number]

/** A workspace with the app installed. */
export interface Team {
  readonly id: string
  readonly integration: number
  /** Where its organizations live. */
  readonly regions: readonly RegionName[]
  /** Lives in every region; its events go to all of them. */
  readonly isEverywhere: boolean
  /** Where its only organization moves while the fault lasts. */
  readonly movesTo?: RegionName
}

const teamIn = (integration: number, regions: readonly RegionName[]): Team => ({
  id: `T0FAULT${String(integration).padStart(4, '0')}`,
  integration,
  regions,
  isEverywhere: regions.length > 1,
})

/** Each is a mailbox of its own. */
export const hurtTeams = [1, 2, 3, 4].map((integration) => teamIn(integration, ['hurt']))
export const teamEverywhere = teamIn(5, ['hurt', 'well'])
export const neighbour = teamIn(6, ['well'])
/** Only where organizations move is anything sent for these. */
export const movingTeams = [7, 8].map((integration): Team => ({ ...teamIn(integration, ['hurt']), movesTo: 'well' }))

const everyTeam = [...hurtTeams, teamEverywhere, neighbour, ...movingTeams]

/** Of each of its organizations the regions, any one of which may have what comes for it. */
export function homesOf({ regions, movesTo }: Team): readonly (readonly RegionName[])[] {
  return movesTo === undefined ? regions.map((region) => [region]) : [[...regions, movesTo]]
}

export const directory: DirectoryContent = {
  integrations: everyTeam.map(({ id, integration }) => ({
    id: integration,
    provider: 'slack',
    external_id: id,
    name: id,
    status: 'active',
  })),
  organizations: everyTeam.flatMap(organizationsOf),
  organization_integrations: everyTeam.flatMap(({ integration, regions }) =>
    regions.map((region) => ({
      integration_id: integration,
      organization_id: organizationId(integration, region),
      status: 'active',
    })),
  ),
}

/** As the directory has them at the start. */
export function organizationsOf({ integration, regions }: Team) {
  return regions.map((region) => ({
    id: organizationId(integration, region),
    slug: `org-${integration}-${region}`,
    name: `org-${integration}-${region}`,
    region,
    status: 'active',
  }))
}

function organizationId(integration: number, region: RegionName): number {
  return integration * 10 + regionNames.indexOf(region)
}
