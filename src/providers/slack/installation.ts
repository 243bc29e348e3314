import { type Form } from './form.ts'
import { at, listAt, textAt, type JsonObject } from './json.ts'

/** The installation a request names, before its app is known. */
export interface NamedInstallation {
  /** A workspace (`T…`) or, for an org-wide installation, an enterprise (`E…`). */
  readonly externalId: string
  /** The enterprise beside the workspace in the very same object; whose enterprise any other one is, nobody knows. */
  readonly enterpriseId: string | undefined
  readonly foundIn: string
}

type Candidate = { readonly id: string | undefined; readonly beside?: string | undefined; readonly foundIn: string }

/**
 * The first authorization names the installation. The ids at the top are whoever posted: in a channel shared between
 * companies that is often somebody else. (https://docs.slack.dev/apis/events-api, "authorizations")
 */
export function installationOfEvent(body: JsonObject): NamedInstallation | undefined {
  const [authorization] = listAt(body, 'authorizations')
  const enterpriseOfAuthorization = textAt(authorization, 'enterprise_id')
  const enterprise = textAt(body, 'enterprise_id')
  return firstNamed([
    at(authorization, 'is_enterprise_install') === true && {
      id: enterpriseOfAuthorization,
      foundIn: 'authorizations[0].enterprise_id',
    },
    {
      id: textAt(authorization, 'team_id'),
      beside: enterpriseOfAuthorization,
      foundIn: 'authorizations[0].team_id',
    },
    { id: textAt(body, 'team_id'), beside: enterprise, foundIn: 'team_id' },
    { id: enterprise, foundIn: 'enterprise_id' },
  ])
}

/**
 * `team` is null for an org-wide installation, and in a modal opened from a connected workspace it is the user's: there
 * `view.app_installed_team_id` alone is the installer's, and no enterprise in the payload belongs to it.
 */
export function installationOfInteraction(payload: JsonObject): NamedInstallation | undefined {
  const installedTeam = textAt(payload, 'view', 'app_installed_team_id')
  const team = textAt(payload, 'team', 'id')
  const enterpriseOfTeam = textAt(payload, 'team', 'enterprise_id')
  const enterprise: Candidate = { id: textAt(payload, 'enterprise', 'id'), foundIn: 'enterprise.id' }
  const orgWide = at(payload, 'is_enterprise_install') === true
  return firstNamed([
    orgWide && installedTeam?.startsWith('E') && { id: installedTeam, foundIn: 'view.app_installed_team_id' },
    orgWide && enterprise,
    orgWide && { id: enterpriseOfTeam, foundIn: 'team.enterprise_id' },
    {
      id: installedTeam,
      beside: installedTeam === team ? enterpriseOfTeam : undefined,
      foundIn: 'view.app_installed_team_id',
    },
    { id: team, beside: enterpriseOfTeam, foundIn: 'team.id' },
    { id: textAt(payload, 'user', 'team_id'), foundIn: 'user.team_id' },
    enterprise,
  ])
}

/** Here `is_enterprise_install` is a text, so `"false"` must not count as true. */
export function installationOfCommand(form: Form): NamedInstallation | undefined {
  const team = form.get('team_id')?.[0]
  const enterprise: Candidate = { id: form.get('enterprise_id')?.[0], foundIn: 'enterprise_id' }
  return firstNamed([
    form.get('is_enterprise_install')?.[0] === 'true' && enterprise,
    { id: team, beside: enterprise.id, foundIn: 'team_id' },
    enterprise,
  ])
}

function firstNamed(candidates: readonly (Candidate | false | undefined)[]): NamedInstallation | undefined {
  for (const candidate of candidates) {
    if (!candidate || !candidate.id) continue
    const { id, beside, foundIn } = candidate
    // An enterprise's id may stand where a workspace's is expected; it has no enterprise beside it.
    return { externalId: id, enterpriseId: id.startsWith('E') ? undefined : beside || undefined, foundIn }
  }
  return undefined
}
