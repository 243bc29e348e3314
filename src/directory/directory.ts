/** A 64-bit id as decimal digits, without leading zeros: JavaScript numbers lose the upper half. */
export type Id = string

export type Status = 'active' | 'disabled'

export interface Integration {
  readonly id: Id
  readonly provider: string
  /** The provider's app this installation belongs to; empty: it serves every app. */
  readonly appId: string
  readonly externalId: string
  readonly enterpriseId: string | undefined
  readonly defaultOrganizationId: Id | undefined
  readonly name: string
  readonly status: Status
}

export interface Organization {
  readonly id: Id
  readonly slug: string
  readonly name: string
  readonly region: string
  readonly status: Status
  /** How often the organization has moved to another region. */
  readonly epoch: number
  /** Its data is on its way: nothing is sent for it, and its events wait until it is released. */
  readonly held: boolean
  /** Only look-ups tell of it, and not once nothing can wait there any more. */
  readonly formerly?: FormerHomes
}

/** Where an organization lived before it moved or was released: what may still wait there goes before what comes now. */
export interface FormerHomes {
  /** Regions that it has left. */
  readonly regions: readonly string[]
  /** Unix milliseconds: when it last moved or was released. */
  readonly until: number
}

/** An integration with its organizations: those that are active and whose link is active, in id order. */
export interface Installation {
  readonly integration: Integration
  readonly organizations: readonly Organization[]
}

/** How a webhook names the installation it belongs to. */
export type InstallationKey =
  | {
      readonly by: 'external'
      readonly provider: string
      /** Empty when the app is not known. */
      readonly appId: string
      readonly externalId: string
      /** The enterprise that stood beside `externalId` in the payload: asked when the workspace has no integration. */
      readonly enterpriseId?: string
    }
  | { readonly by: 'id'; readonly provider: string; readonly id: Id }

/**
 * found: fresh enough. absent: asked, and there is none. stale: could not be refreshed, the remembered entry is used.
 * unknown: could not be asked, nothing remembered; never the same as absent.
 */
export type Lookup = Asked | { readonly verdict: 'stale'; readonly installation: Installation; readonly ageMs: number }

/** The answer to who must not act on what has been true: either it is what the store says now, or unknown. */
export type Asked =
  | { readonly verdict: 'found'; readonly installation: Installation; readonly ageMs: number }
  | { readonly verdict: 'absent' }
  | { readonly verdict: 'unknown'; readonly cause: unknown }

/** Who lives where. Never throws: a store that cannot be asked is a verdict. */
export interface Directory {
  /** What is remembered is there at once. */
  find(key: InstallationKey): Lookup | Promise<Lookup>
  /** Asks the store whatever is remembered, and remembers what it says. */
  ask(key: InstallationKey): Promise<Asked>
  /** Whether look-ups can be answered at all: the store answers, or something is cached. */
  usable(): Promise<boolean>
}
