import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSilo, type Silo } from '../../support/silo.ts'
import { ACTION, bothSpellings, COMMANDS, EVENT, OPTIONS_LOAD, SINGLE } from '../../support/slack-surfaces.ts'
import {
  APP,
  blockActions,
  blockSuggestion,
  dialogSubmission,
  eventCallback,
  globalShortcut,
  slashCommand,
  viewClosed,
  viewSubmission,
  type SlackBody,
} from '../../support/slack-payloads.ts'

// Every installation has one organization in a region of its own, so that the region asked names the installation.
const installations = {
  acme: { external_id: 'T0ACME00001' },
  rival: { external_id: 'T0RIVAL0001' },
  grid: { external_id: 'E0GRID00001' },
  federation: { external_id: 'E0FEDERATE1' },
  // A workspace of the grid with an installation of its own.
  branch: { external_id: 'T0BRANCH001', enterprise_id: 'E0GRID00001' },
  // Closed, and its enterprise is not: it stays closed.
  closed: { external_id: 'T0CLOSED001', enterprise_id: 'E0GRID00001', status: 'disabled' },
  // Of another app, but it records whose workspace this is.
  recorded: { external_id: 'T0RECORDED1', enterprise_id: 'E0GRID00001', app_id: 'A0ANOTHER01' },
}
type Region = keyof typeof installations
const names = Object.keys(installations) as Region[]
/** Workspaces of the grid and of the federation that have no row at all. */
const MEMBER = 'T0MEMBER001'
const STRANGER = 'T0STRANGER1'
const { acme, rival, grid, federation, branch, closed, recorded } = Object.fromEntries(
  Object.entries(installations).map(([name, { external_id }]) => [name, external_id]),
) as Record<Region, string>

let silo: Silo
beforeAll(async () => {
  silo = await startSilo({
    regions: Object.fromEntries(names.map((name) => [name, {}])),
    directory: {
      integrations: names.map((name, index) => ({
        id: index + 1,
        provider: 'slack',
        status: 'active',
        ...installations[name],
      })),
      organizations: names.map((name, index) => ({ id: index + 10, slug: name, region: name, status: 'active' })),
      organization_integrations: names.map((_, index) => ({
        integration_id: index + 1,
        organization_id: index + 10,
        status: 'active',
      })),
    },
  })
})
afterAll(() => silo.close())

type Case = readonly [what: string, body: SlackBody, region: Region | 'unknown']

/** The cases are made anew for each path: the same event again would be a duplicate. */
function itReaches(paths: readonly string[], cases: () => readonly Case[]): void {
  it.each(
    paths
      .flatMap(bothSpellings)
      .flatMap((path) => cases().map(([what, body, region]) => ({ what, path, body, region }))),
  )('$what → $region, at $path', async ({ path, body, region }) => {
    const { asked, record } = await silo.deliver(path, body)
    expect(asked).toEqual(region === 'unknown' ? [] : [region])
    expect(record.verdict).toBe(region === 'unknown' ? 'absent' : 'found')
  })
}

describe('an event', () => {
  const authorization = (fields: Record<string, unknown>) => [
    {
      enterprise_id: null,
      team_id: null,
      user_id: 'U0BOT000001',
      is_bot: true,
      is_enterprise_install: false,
      ...fields,
    },
  ]
  const event = (authorized: Record<string, unknown> | undefined, top: Record<string, unknown>) =>
    eventCallback({
      ...top,
      authorizations: authorized === undefined ? undefined : authorization(authorized),
      context_team_id: rival,
      context_enterprise_id: federation,
    })

  itReaches([EVENT, SINGLE], () => [
    ['of the workspace that installed the app', event({ team_id: acme }, { team_id: acme }), 'acme'],
    [
      'posted by another company in a shared channel',
      event({ team_id: acme }, { team_id: rival, enterprise_id: federation, is_ext_shared_channel: true }),
      'acme',
    ],
    ['posted by a company nobody knows', event({ team_id: acme }, { team_id: STRANGER }), 'acme'],
    [
      'of an org-wide installation, its team null',
      event({ enterprise_id: grid, is_enterprise_install: true }, { team_id: MEMBER, enterprise_id: grid }),
      'grid',
    ],
    [
      'of an org-wide installation, in a workspace with an installation of its own',
      event({ enterprise_id: grid, team_id: branch, is_enterprise_install: true }, { team_id: branch }),
      'grid',
    ],
    [
      'of an org-wide installation, posted from another company',
      event({ enterprise_id: grid, is_enterprise_install: true }, { team_id: rival, enterprise_id: federation }),
      'grid',
    ],
    [
      'of one workspace of a grid',
      event({ enterprise_id: grid, team_id: branch, is_enterprise_install: false }, { team_id: branch }),
      'branch',
    ],
    [
      'of an installation that says "true" as a text, which is not true',
      event({ enterprise_id: grid, team_id: acme, is_enterprise_install: 'true' }, {}),
      'acme',
    ],
    [
      'of a workspace without a row, its enterprise beside it',
      event({ enterprise_id: grid, team_id: MEMBER }, { team_id: MEMBER }),
      'grid',
    ],
    [
      'of a workspace without a row, an enterprise elsewhere in the body',
      event({ team_id: STRANGER }, { team_id: STRANGER, enterprise_id: grid }),
      'unknown',
    ],
    [
      'of a workspace without a row, with the poster known',
      event({ team_id: STRANGER }, { team_id: acme, enterprise_id: grid }),
      'unknown',
    ],
    ['of a workspace that is recorded as the grid’s', event({ team_id: recorded }, {}), 'grid'],
    ['with an enterprise id as its team', event({ team_id: grid }, { team_id: acme }), 'grid'],
    ['without authorizations', event(undefined, { team_id: acme }), 'acme'],
    ['with an empty list of authorizations', eventCallback({ team_id: acme, authorizations: [] }), 'acme'],
    ['without authorizations, of a member', event(undefined, { team_id: MEMBER, enterprise_id: grid }), 'grid'],
    ['without authorizations or team', event(undefined, { team_id: undefined, enterprise_id: grid }), 'grid'],
    [
      'with two authorizations: the first',
      eventCallback({ team_id: rival, authorizations: [{ team_id: acme }, { team_id: rival }] }),
      'acme',
    ],
    [
      'with an authorization that names nothing',
      event({ is_enterprise_install: true }, { team_id: acme, enterprise_id: grid }),
      'acme',
    ],
    [
      'app_uninstalled of an org-wide installation',
      eventCallback(
        { team_id: undefined, enterprise_id: grid, authorizations: undefined, is_enterprise_install: true },
        { type: 'app_uninstalled' },
      ),
      'grid',
    ],
  ])
})

describe('a command', () => {
  const command = (fields: Record<string, string | undefined>) => slashCommand(fields)

  itReaches([COMMANDS, SINGLE], () => [
    ['with "false"', command({ team_id: branch, enterprise_id: grid, is_enterprise_install: 'false' }), 'branch'],
    ['with "true"', command({ team_id: branch, enterprise_id: grid, is_enterprise_install: 'true' }), 'grid'],
    ['with neither', command({ team_id: branch, enterprise_id: grid, is_enterprise_install: undefined }), 'branch'],
    ['with "True"', command({ team_id: branch, enterprise_id: grid, is_enterprise_install: 'True' }), 'branch'],
    ['with "1"', command({ team_id: branch, enterprise_id: grid, is_enterprise_install: '1' }), 'branch'],
    ['with "true" but no enterprise', command({ team_id: acme, is_enterprise_install: 'true' }), 'acme'],
    ['of a workspace outside a grid', command({ team_id: acme, enterprise_id: '' }), 'acme'],
    ['of a member, its enterprise beside it', command({ team_id: MEMBER, enterprise_id: grid }), 'grid'],
    ['of a member without its enterprise', command({ team_id: MEMBER }), 'unknown'],
    ['of a workspace that is recorded', command({ team_id: recorded }), 'grid'],
    ['of an enterprise alone', command({ team_id: undefined, enterprise_id: grid }), 'grid'],
    ['with an enterprise id as its team', command({ team_id: grid, enterprise_id: federation }), 'grid'],
  ])
})

describe('an interaction', () => {
  const click = (fields: Record<string, unknown>) => blockActions({ user: { id: 'U1' }, ...fields })
  const team = (id: string, enterprise_id?: string) => ({ id, domain: 'x', ...(enterprise_id && { enterprise_id }) })
  const org = (id: string) => ({ id, name: 'x' })

  itReaches([ACTION, SINGLE], () => [
    ['of a workspace', click({ team: team(acme) }), 'acme'],
    ['of an outsider in a shared channel', click({ team: team(acme), user: { id: 'U1', team_id: rival } }), 'acme'],
    ['org-wide, its team null', click({ team: null, enterprise: org(grid), is_enterprise_install: true }), 'grid'],
    [
      'org-wide, with a team that has its own',
      click({ team: team(branch, grid), enterprise: org(grid), is_enterprise_install: true }),
      'grid',
    ],
    [
      'org-wide, the enterprise named by the team alone',
      click({ team: team(branch, grid), enterprise: null, is_enterprise_install: true }),
      'grid',
    ],
    [
      'that says "true" as a text',
      click({ team: team(branch, grid), enterprise: org(grid), is_enterprise_install: 'true' }),
      'branch',
    ],
    ['of a grid’s workspace', click({ team: team(branch, grid), enterprise: org(grid) }), 'branch'],
    ['without a team: the user’s', click({ team: null, user: { id: 'U1', team_id: acme } }), 'acme'],
    ['without a team: an E… id of the user', click({ team: null, user: { id: 'U1', team_id: grid } }), 'grid'],
    ['with an E… id as its team', click({ team: team(grid) }), 'grid'],
    ['of a member, the enterprise in its team', click({ team: team(MEMBER, grid) }), 'grid'],
    ['of a member, the enterprise elsewhere', click({ team: team(MEMBER), enterprise: org(grid) }), 'unknown'],
    [
      'of a member without a team, an enterprise elsewhere',
      click({ team: null, enterprise: org(grid), user: { id: 'U1', team_id: STRANGER } }),
      'unknown',
    ],
    ['of a workspace that is recorded', click({ team: team(recorded) }), 'grid'],
    ['of nobody but an enterprise', click({ team: null, enterprise: org(grid) }), 'grid'],
    ['a shortcut, which names no app', globalShortcut({ team: team(acme) }), 'acme'],
    [
      'an org-wide shortcut',
      globalShortcut({ team: null, enterprise: org(grid), is_enterprise_install: true }),
      'grid',
    ],
    ['a dialog', dialogSubmission({ team: team(branch, grid), enterprise: org(grid) }), 'branch'],
  ])

  const view = (app_installed_team_id: string | null, fields: Record<string, unknown>) =>
    viewSubmission({ user: { id: 'U1', team_id: rival }, ...fields }, { team_id: rival, app_installed_team_id })
  const cases: Case[] = [
    ['a modal opened from another workspace', view(acme, { team: team(rival, federation) }), 'acme'],
    [
      'a modal opened from another enterprise',
      view(acme, { team: team(rival, federation), enterprise: org(federation) }),
      'acme',
    ],
    ['a modal whose installer is an E… id', view(grid, { team: team(branch, grid) }), 'grid'],
    [
      'a modal of an org-wide installation, opened from another enterprise',
      view(grid, { team: team(rival, federation), enterprise: org(federation), is_enterprise_install: true }),
      'grid',
    ],
    [
      'a modal of an org-wide installation, its installer not named',
      view(null, { team: null, enterprise: org(grid), is_enterprise_install: true }),
      'grid',
    ],
    ['a modal without an installer', view(null, { team: team(acme) }), 'acme'],
    ['a modal without installer or team', view(null, { team: null }), 'rival'],
    [
      'a modal of an unknown workspace, opened by a user of a known enterprise',
      view(STRANGER, { team: team(rival, federation), enterprise: org(federation) }),
      'unknown',
    ],
    [
      'a modal of an unknown workspace, an enterprise beside the user alone',
      view(STRANGER, { team: null, enterprise: org(grid) }),
      'unknown',
    ],
    ['a modal of a workspace that is recorded', view(recorded, { team: team(rival, federation) }), 'grid'],
    ['a modal of a member, opened at home', view(MEMBER, { team: team(MEMBER, grid) }), 'grid'],
  ]
  itReaches([ACTION, SINGLE], () => cases)

  it('a closed modal belongs to its installer as well', async () => {
    const body = viewClosed({ team: team(rival) }, { app_installed_team_id: acme })
    expect((await silo.deliver(ACTION, body)).asked).toEqual(['acme'])
  })

  it('a click in a modal belongs to its installer as well', async () => {
    const body = click({ team: team(rival), view: { app_installed_team_id: acme, type: 'modal' } })
    expect((await silo.deliver(ACTION, body)).asked).toEqual(['acme'])
  })

  itReaches([OPTIONS_LOAD, ACTION, SINGLE], () => [
    ['options of a workspace', blockSuggestion({ team: team(acme) }), 'acme'],
    ['options whose user’s team is an E… id', blockSuggestion({ team: null, user: { team_id: grid } }), 'grid'],
    [
      'options in a modal opened from another workspace',
      blockSuggestion({ team: team(rival), view: { app_installed_team_id: acme } }),
      'acme',
    ],
  ])
})

describe('a disabled integration', () => {
  it.each([
    ['an event', eventCallback({ authorizations: [{ team_id: closed, enterprise_id: grid }] }), 202],
    ['a command', slashCommand({ team_id: closed, enterprise_id: grid }), 200],
    ['a click', blockActions({ team: { id: closed, enterprise_id: grid } }), 202],
    ['a modal', viewSubmission({ team: { id: closed, enterprise_id: grid } }, { app_installed_team_id: closed }), 200],
  ])('is the one that is meant, not its enterprise’s: %s', async (_, body, status) => {
    const { reply, asked, record } = await silo.deliver(SINGLE, body)
    expect([reply.status, asked, record.rule]).toEqual([status, [], 'inactive'])
  })
})

describe('the region is told', () => {
  it('which integration and organization it is asked for, whoever posted', async () => {
    const body = eventCallback({ team_id: rival, api_app_id: APP, authorizations: [{ team_id: acme }] })
    const { sent } = await silo.deliver(EVENT, body)
    expect(sent['acme']?.headers).toMatchObject({ 'silo-integration': '1', 'silo-organizations': '10' })
  })
})
