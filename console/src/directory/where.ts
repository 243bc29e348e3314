import type { Integration, Link, Organization, RegionNow } from '../shapes.ts'

/** An organization of an integration, and whether it is served. */
export interface Served {
  readonly organization: Organization
  readonly link: Link
  /** Undefined: it is. */
  readonly whyNot: string | undefined
}

/** A region that an integration's webhooks go to. */
export interface Destination {
  readonly name: string
  /** Undefined: `regions.yaml` does not know it. */
  readonly region: RegionNow | undefined
  readonly organizations: readonly Organization[]
  /** Why it stands where it does. */
  readonly why: string
}

/** Which organizations are served: those whose link is active, and which are active themselves. */
export function servedBy(
  integration: Integration,
  organizations: readonly Organization[],
  links: readonly Link[],
): readonly Served[] {
  const linkTo = new Map(links.map((link) => [link.organization_id, link]))
  return organizations.flatMap((organization) => {
    const link = linkTo.get(organization.id)
    if (link === undefined) return []
    const whyNot =
      integration.status === 'disabled'
        ? 'the integration is disabled'
        : link.status === 'disabled'
          ? 'its link is disabled'
          : organization.status === 'disabled'
            ? 'it is disabled'
            : undefined
    return [{ organization, link, whyNot }]
  })
}

/**
 * The regions in the order in which they are asked: the default organization's first, then as `regions.yaml` has them,
 * those that it does not know last.
 */
export function destinationsOf(
  integration: Integration,
  served: readonly Served[],
  regions: readonly RegionNow[],
): readonly Destination[] {
  const here = served.filter(({ whyNot }) => whyNot === undefined).map(({ organization }) => organization)
  const preferred = here.find(({ id }) => id === integration.default_organization_id)?.region
  const listed = regions.filter(({ file_state }) => file_state !== null).map(({ name }) => name)
  const names = [...new Set(here.map(({ region }) => region))]
  const place = (name: string): number => {
    if (!listed.includes(name)) return listed.length
    return name === preferred ? -1 : listed.indexOf(name)
  }
  return names
    .toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
    .map((name) => ({
      name,
      region: regions.find((one) => one.name === name && one.file_state !== null),
      organizations: here.filter(({ region }) => region === name),
      why: whyThere(name, { isKnown: listed.includes(name), isPreferred: name === preferred }),
    }))
}

function whyThere(name: string, { isKnown, isPreferred }: { isKnown: boolean; isPreferred: boolean }): string {
  if (!isKnown) return `regions.yaml does not know ${name}: it counts as down and comes last`
  return isPreferred ? 'first, since the default organization lives there' : 'in the order of regions.yaml'
}
