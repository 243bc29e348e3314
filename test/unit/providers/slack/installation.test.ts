import { describe, expect, it } from 'vitest'
import {
  APP,
  blockActions,
  blockSuggestion,
  dialogCancellation,
  dialogSubmission,
  dialogSuggestion,
  ENTERPRISE,
  eventCallback,
  globalShortcut,
  interaction,
  interactiveMessage,
  json,
  menuSuggestion,
  messageAction,
  slashCommand,
  TEAM,
  viewClosed,
  viewSubmission,
  workflowStepEdit,
  type SlackBody,
} from '../../../support/slack-payloads.ts'
import { createSlackRig, refusal } from './rig.ts'

const { request, identify } = createSlackRig()
const OTHER_TEAM = 'T0OTHERCO01'
const OTHER_ENTERPRISE = 'E0OTHERGRID'

/** `externalId`, the enterprise beside it or `-`, and where it was found. */
async function installation(body: SlackBody): Promise<string> {
  const { installation, foundIn } = await request({ body })
  if (installation.by !== 'external') throw new Error('an id')
  expect(installation.provider).toBe('slack')
  return `${installation.externalId} ${installation.enterpriseId ?? '-'} ${foundIn}`
}

const authorization = (fields: object) => [
  { enterprise_id: null, team_id: TEAM, user_id: 'U1', is_bot: true, is_enterprise_install: false, ...fields },
]

describe('an event', () => {
  it.for([
    ['of one workspace', {}, `${TEAM} - authorizations[0].team_id`],
    [
      "from another company in a shared channel: the authorization's workspace",
      { team_id: OTHER_TEAM, enterprise_id: OTHER_ENTERPRISE, context_team_id: OTHER_TEAM },
      `${TEAM} - authorizations[0].team_id`,
    ],
    [
      'of a workspace in a grid',
      { enterprise_id: OTHER_ENTERPRISE, authorizations: authorization({ enterprise_id: ENTERPRISE }) },
      `${TEAM} ${ENTERPRISE} authorizations[0].team_id`,
    ],
    [
      'of an org-wide installation',
      {
        enterprise_id: ENTERPRISE,
        authorizations: authorization({ enterprise_id: ENTERPRISE, team_id: null, is_enterprise_install: true }),
      },
      `${ENTERPRISE} - authorizations[0].enterprise_id`,
    ],
    [
      'of an org-wide installation that names a workspace too',
      { authorizations: authorization({ enterprise_id: ENTERPRISE, is_enterprise_install: true }) },
      `${ENTERPRISE} - authorizations[0].enterprise_id`,
    ],
    [
      'of an org-wide installation that forgot its enterprise',
      { enterprise_id: OTHER_ENTERPRISE, authorizations: authorization({ is_enterprise_install: true }) },
      `${TEAM} - authorizations[0].team_id`,
    ],
    [
      'whose org-wide mark is a text',
      { authorizations: authorization({ enterprise_id: ENTERPRISE, is_enterprise_install: 'true' }) },
      `${TEAM} ${ENTERPRISE} authorizations[0].team_id`,
    ],
    [
      'with an enterprise where a workspace is expected',
      { authorizations: authorization({ team_id: ENTERPRISE, enterprise_id: OTHER_ENTERPRISE }) },
      `${ENTERPRISE} - authorizations[0].team_id`,
    ],
    [
      'with several authorizations: the first',
      { authorizations: [...authorization({}), ...authorization({ team_id: OTHER_TEAM })] },
      `${TEAM} - authorizations[0].team_id`,
    ],
    ['without authorizations', { authorizations: undefined }, `${TEAM} - team_id`],
    ['with empty authorizations', { authorizations: [] }, `${TEAM} - team_id`],
    ['with null as authorizations', { authorizations: null }, `${TEAM} - team_id`],
    ['with null as authorization', { authorizations: [null] }, `${TEAM} - team_id`],
    ['with a list as authorization', { authorizations: [[OTHER_TEAM]] }, `${TEAM} - team_id`],
    ['with an object as authorizations', { authorizations: { 0: { team_id: OTHER_TEAM } } }, `${TEAM} - team_id`],
    ['with an authorization that names nobody', { authorizations: [{ team_id: '' }] }, `${TEAM} - team_id`],
    [
      'with an enterprise beside the workspace at the top',
      { authorizations: undefined, enterprise_id: ENTERPRISE },
      `${TEAM} ${ENTERPRISE} team_id`,
    ],
    [
      'with an enterprise as workspace at the top',
      { authorizations: undefined, team_id: ENTERPRISE },
      `${ENTERPRISE} - team_id`,
    ],
    [
      'of the org level: an enterprise only',
      { authorizations: undefined, team_id: undefined, enterprise_id: ENTERPRISE },
      `${ENTERPRISE} - enterprise_id`,
    ],
    [
      'with an id that is no text beside it',
      { authorizations: authorization({ enterprise_id: 7 }) },
      `${TEAM} - authorizations[0].team_id`,
    ],
  ] as const)('%s', async ([, envelope, expected]) => {
    expect(await installation(eventCallback(envelope))).toBe(expected)
  })
})

const modal = {
  ofAnotherWorkspace: {
    team: { id: OTHER_TEAM, enterprise_id: OTHER_ENTERPRISE },
    enterprise: { id: OTHER_ENTERPRISE },
  },
}

describe('interactivity', () => {
  it.for([
    ['block_actions', blockActions],
    ['interactive_message', interactiveMessage],
    ['shortcut', globalShortcut],
    ['message_action', messageAction],
    ['dialog_submission', dialogSubmission],
    ['dialog_cancellation', dialogCancellation],
    ['workflow_step_edit', workflowStepEdit],
    ['block_suggestion', blockSuggestion],
    ['dialog_suggestion', dialogSuggestion],
    ['menu suggestion', menuSuggestion],
  ] as const)('%s: team.id, with the enterprise of the team beside it', async ([, build]) => {
    expect(await installation(build())).toBe(`${TEAM} - team.id`)
    const team = { id: TEAM, domain: 'acme', enterprise_id: ENTERPRISE }
    expect(await installation(build({ team, enterprise: { id: OTHER_ENTERPRISE } }))).toBe(
      `${TEAM} ${ENTERPRISE} team.id`,
    )
    expect(await installation(build({ enterprise: { id: OTHER_ENTERPRISE } }))).toBe(`${TEAM} - team.id`)
  })

  it.for([
    ['view_submission', viewSubmission],
    ['view_closed', viewClosed],
    [
      'block_actions in a view',
      (fields: object, view: object) => blockActions({ ...fields, view: { app_installed_team_id: TEAM, ...view } }),
    ],
    [
      'block_suggestion in a view',
      (fields: object, view: object) => blockSuggestion({ ...fields, view: { app_installed_team_id: TEAM, ...view } }),
    ],
  ] as const)('%s: the workspace where the app is installed, not the one of the user', async ([, build]) => {
    const found = 'view.app_installed_team_id'
    expect(await installation(build({}, {}))).toBe(`${TEAM} - ${found}`)
    expect(await installation(build(modal.ofAnotherWorkspace, {}))).toBe(`${TEAM} - ${found}`)
    const ofTheSame = { team: { id: TEAM, enterprise_id: ENTERPRISE } }
    expect(await installation(build(ofTheSame, {}))).toBe(`${TEAM} ${ENTERPRISE} ${found}`)
    expect(await installation(build({}, { app_installed_team_id: ENTERPRISE }))).toBe(`${ENTERPRISE} - ${found}`)
    expect(await installation(build({}, { app_installed_team_id: undefined }))).toBe(`${TEAM} - team.id`)
    expect(await installation(build({}, { app_installed_team_id: null }))).toBe(`${TEAM} - team.id`)
  })

  it.for([
    [
      'org-wide with a null team: the enterprise',
      { team: null, enterprise: { id: ENTERPRISE }, is_enterprise_install: true },
      `${ENTERPRISE} - enterprise.id`,
    ],
    [
      'org-wide with a team: still the enterprise',
      { enterprise: { id: ENTERPRISE }, is_enterprise_install: true },
      `${ENTERPRISE} - enterprise.id`,
    ],
    [
      'org-wide with an enterprise only beside the team',
      { team: { id: TEAM, enterprise_id: ENTERPRISE }, is_enterprise_install: true },
      `${ENTERPRISE} - team.enterprise_id`,
    ],
    ['org-wide without any enterprise', { is_enterprise_install: true }, `${TEAM} - team.id`],
    [
      'org-wide with an enterprise only as the home of the user',
      { team: null, user: { team_id: ENTERPRISE }, is_enterprise_install: true },
      `${ENTERPRISE} - user.team_id`,
    ],
    [
      'not org-wide when the mark is a text',
      { enterprise: { id: ENTERPRISE }, is_enterprise_install: 'false' },
      `${TEAM} - team.id`,
    ],
    ['null team: the home of the user', { team: null }, `${TEAM} - user.team_id`],
    [
      'null team, home of the user before the enterprise',
      { team: null, user: { team_id: OTHER_TEAM }, enterprise: { id: ENTERPRISE } },
      `${OTHER_TEAM} - user.team_id`,
    ],
    [
      'null team, user at home in an enterprise',
      { team: null, user: { team_id: ENTERPRISE }, enterprise: { id: OTHER_ENTERPRISE } },
      `${ENTERPRISE} - user.team_id`,
    ],
    [
      'nothing but an enterprise',
      { team: null, user: { id: 'U1' }, enterprise: { id: ENTERPRISE } },
      `${ENTERPRISE} - enterprise.id`,
    ],
    [
      'an enterprise where a team is expected',
      { team: { id: ENTERPRISE, enterprise_id: OTHER_ENTERPRISE } },
      `${ENTERPRISE} - team.id`,
    ],
    ['an empty id', { team: { id: '' } }, `${TEAM} - user.team_id`],
    ['an id that is no text', { team: { id: 7 } }, `${TEAM} - user.team_id`],
    ['a team that is a list', { team: [TEAM] }, `${TEAM} - user.team_id`],
    ['a view that is none', { view: null }, `${TEAM} - team.id`],
  ] as const)('%s', async ([, fields, expected]) => {
    expect(await installation(blockActions(fields))).toBe(expected)
  })

  it('org-wide with an enterprise as installer of the view: that one, not the one of the user', async () => {
    const fields = { ...modal.ofAnotherWorkspace, is_enterprise_install: true }
    expect(await installation(viewSubmission(fields, { app_installed_team_id: ENTERPRISE }))).toBe(
      `${ENTERPRISE} - view.app_installed_team_id`,
    )
  })

  it('org-wide with a workspace as installer of the view: the enterprise', async () => {
    const fields = { enterprise: { id: ENTERPRISE }, is_enterprise_install: true }
    expect(await installation(viewSubmission(fields))).toBe(`${ENTERPRISE} - enterprise.id`)
  })
})

describe('a command', () => {
  it.for([
    ['of one workspace', {}, `${TEAM} - team_id`],
    ['of a workspace in a grid', { enterprise_id: ENTERPRISE }, `${TEAM} ${ENTERPRISE} team_id`],
    [
      'of an org-wide installation, marked by a text',
      { enterprise_id: ENTERPRISE, is_enterprise_install: 'true' },
      `${ENTERPRISE} - enterprise_id`,
    ],
    [
      'with a mark that is not exactly true',
      { enterprise_id: ENTERPRISE, is_enterprise_install: 'True' },
      `${TEAM} ${ENTERPRISE} team_id`,
    ],
    ['without the mark', { is_enterprise_install: undefined }, `${TEAM} - team_id`],
    ['org-wide without enterprise', { is_enterprise_install: 'true' }, `${TEAM} - team_id`],
    ['org-wide with an empty enterprise', { is_enterprise_install: 'true', enterprise_id: '' }, `${TEAM} - team_id`],
    ['with an enterprise only', { team_id: undefined, enterprise_id: ENTERPRISE }, `${ENTERPRISE} - enterprise_id`],
    ['with an empty workspace', { team_id: '', enterprise_id: ENTERPRISE }, `${ENTERPRISE} - enterprise_id`],
    ['with an enterprise as workspace', { team_id: ENTERPRISE, enterprise_id: 'E2' }, `${ENTERPRISE} - team_id`],
  ] as const)('%s', async ([, fields, expected]) => {
    expect(await installation(slashCommand(fields))).toBe(expected)
  })
})

describe('nobody can be named', () => {
  it.for([
    ['an event', eventCallback({ authorizations: [{}], team_id: null, context_team_id: TEAM })],
    ['an event with ids that are no texts', json({ team_id: 7, enterprise_id: ['E1'], event: { type: 'x' } })],
    ['a click with a null team', interaction({ type: 'block_actions', team: null, user: { id: 'U1' }, actions: [] })],
    ['a click with nothing at all', interaction({ actions: null })],
    ['an options request', interaction({ type: 'block_suggestion', value: '' })],
    ['a command', slashCommand({ team_id: undefined })],
    ['a view that only names its own workspace', interaction({ type: 'view_submission', view: { team_id: TEAM } })],
  ] as const)('in %s: refused', async ([, body]) => {
    await expect(identify({ body })).rejects.toMatchObject(refusal('no_installation_named', { close: false }))
  })
})

it('hands the app and the provider on with the key, and no enterprise that is not there', async () => {
  expect((await request({ body: eventCallback() })).installation).toEqual({
    by: 'external',
    provider: 'slack',
    appId: APP,
    externalId: TEAM,
  })
})
