import type { Clock } from '../clock.ts'
import type { DirectoryChange } from './change.ts'
import type { Installation, InstallationKey } from './directory.ts'
import type { Found } from './find-installation.ts'

/** Some 10 MB where every one is taken: what a script that edits a thousand rows a second leaves in a minute. */
const MAX_NAMES = 100_000

/** Which changes of the directory were heard of, as long as anything may be remembered from before them. */
export interface HeardChanges {
  add(change: DirectoryChange): void
  /** How many there were: what has been found to lack none needs no other look until there is one more. */
  count(): number
  /** Whether what was read lacks a change. */
  areMissingIn(read: Found, key: InstallationKey): boolean
}

/**
 * Remembers of each row that has changed at which version, rather than of each row who remembers it: changes are few.
 * @param keepMs - how long what was read before a change can be used without asking
 */
export function createHeardChanges({ clock, keepMs }: { clock: Clock; keepMs: number }): HeardChanges {
  /** In the order in which they were heard. */
  const rows = new Map<string, { readonly version: number; readonly until: number }>()
  /** Everything that is older lacks something. */
  let floor = { version: 0, until: -Infinity }
  let count = 0

  function note(name: string, version: number, until: number): void {
    const before = rows.get(name)
    rows.delete(name)
    rows.set(name, { version: Math.max(version, before?.version ?? 0), until })
  }

  function raiseFloor(version: number, until: number): void {
    floor = { version: Math.max(version, isOver(floor.until) ? 0 : floor.version), until: Math.max(until, floor.until) }
  }

  function forget(): void {
    for (const [name, { version, until }] of rows) {
      if (!isOver(until) && rows.size <= MAX_NAMES) return
      if (!isOver(until)) raiseFloor(version, until)
      rows.delete(name)
    }
  }

  const isOver = (until: number): boolean => clock.monotonic() > until

  function isNewer(name: string, version: number): boolean {
    const change = rows.get(name)
    return change !== undefined && change.version > version && !isOver(change.until)
  }

  return {
    add({ version, what }) {
      count++
      const until = clock.monotonic() + keepMs
      if (what.kind === 'all') return raiseFloor(version, until)
      for (const id of what.integrations) note(`integration ${id}`, version, until)
      for (const id of what.organizations) note(`organization ${id}`, version, until)
      for (const { provider, externalId } of what.installations) {
        note(installationName(provider, externalId), version, until)
        note(anyAbsent(provider), version, until)
      }
      forget()
    },

    count: () => count,

    areMissingIn({ installation, version }, key) {
      if (version < floor.version && !isOver(floor.until)) return true
      return rows.size > 0 && namesIn(key, installation).some((name) => isNewer(name, version))
    },
  }
}

function namesIn(key: InstallationKey, installation: Installation | undefined): string[] {
  if (installation === undefined) return [anyAbsent(key.provider)]
  const { integration, organizations } = installation
  const names = [
    `integration ${integration.id}`,
    installationName(key.provider, integration.externalId),
    ...organizations.map(({ id }) => `organization ${id}`),
  ]
  if (key.by === 'external') {
    names.push(installationName(key.provider, key.externalId))
    if (key.enterpriseId !== undefined) names.push(installationName(key.provider, key.enterpriseId))
  }
  return names
}

/** Providers have no blank in their names. */
function installationName(provider: string, externalId: string): string {
  return `installation ${provider} ${externalId}`
}

/**
 * Which enterprise a workspace without an integration was looked up by may stand in the directory only: any integration
 * may be the one that was not there.
 */
function anyAbsent(provider: string): string {
  return `absent ${provider}`
}
