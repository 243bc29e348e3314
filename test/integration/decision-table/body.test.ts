import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../support/expect-problem.ts'
import { startSilo, type Silo } from '../../support/silo.ts'
import {
  ACTION,
  bothSpellings,
  COMMANDS,
  EVENT,
  everywhere,
  OPTIONS_LOAD,
  SINGLE,
  surfaces,
} from '../../support/slack-surfaces.ts'
import {
  appRateLimited,
  blockActions,
  blockSuggestion,
  dialogSuggestion,
  eventCallback,
  FORM,
  form,
  globalShortcut,
  interaction,
  interactiveMessage,
  json,
  JSON_TYPE,
  menuSuggestion,
  slashCommand,
  TEAM,
  urlVerification,
  viewSubmission,
  type SlackBody,
} from '../../support/slack-payloads.ts'
import { workspace } from '../../support/test-gateway.ts'

const LOCAL = ['link_clicked', 'sentry_docs_link_clicked']

let silo: Silo
beforeAll(async () => {
  silo = await startSilo({
    regions: { us: {} },
    slack: { local_actions: LOCAL },
    directory: workspace({ acme: 'us' }),
  })
})
afterAll(() => silo.close())

/** One row a path, each in both spellings. */
function at(paths: readonly string[], rows: readonly (readonly [what: string, body: SlackBody])[]) {
  return paths.flatMap(bothSpellings).flatMap((path) => rows.map(([what, body]) => ({ what, path, body })))
}

const raw = (contentType: string, body: string | Buffer): SlackBody => ({ contentType, body: body as string })
const textEvent = (event: unknown) => json({ ...JSON.parse(eventCallback().body), event })

describe('row 6: a body that is not what the surface demands', () => {
  it.each([
    ...at(
      [EVENT, SINGLE],
      [
        ['invalid UTF-8', raw(JSON_TYPE, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]))],
        ['Latin-1', raw(JSON_TYPE, Buffer.from(eventCallback().body, 'latin1'))],
        ['an overlong encoding', raw(JSON_TYPE, Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]))],
        ['an encoded surrogate', raw(JSON_TYPE, Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]))],
        ['UTF-16', raw(JSON_TYPE, Buffer.from(`\uFEFF${eventCallback().body}`, 'utf16le'))],
        ['nothing', raw(JSON_TYPE, '')],
        ['blanks', raw(JSON_TYPE, '  ')],
        ['words', raw(JSON_TYPE, 'hello')],
        ['JSON cut short', raw(JSON_TYPE, eventCallback().body.slice(0, -1))],
        ['two JSON documents', raw(JSON_TYPE, eventCallback().body.repeat(2))],
        ['null', json(null)],
        ['a list', json([JSON.parse(eventCallback().body)])],
        ['a text', json('event_callback')],
        ['a number', json(1)],
        ['an object without anything', json({})],
        ['no event', textEvent(undefined)],
        ['event null', textEvent(null)],
        ['an event that is a list', textEvent([{ type: 'app_mention' }])],
        ['an event that is a text', textEvent('app_mention')],
        ['an event without a type', textEvent({})],
        ['an event whose type is null', textEvent({ type: null })],
        ['an event whose type is a number', textEvent({ type: 1 })],
        ['an event whose type is a list', textEvent({ type: ['app_mention'] })],
        ['an interaction as JSON', json({ type: 'block_actions', team: { id: TEAM }, actions: [] })],
        ['a command as JSON', json({ command: '/silo', team_id: TEAM })],
        ['a challenge that is missing', urlVerification({ challenge: undefined })],
        ['a challenge of null', urlVerification({ challenge: null })],
        ['a challenge that is a number', urlVerification({ challenge: 42 })],
        ['a challenge that is an object', urlVerification({ challenge: {} })],
        ['a challenge that is a list', urlVerification({ challenge: ['x'] })],
      ],
    ),
    ...at(
      [EVENT],
      [
        ['a command', slashCommand()],
        ['an interaction', blockActions()],
        ['options asked for', blockSuggestion()],
      ],
    ),
    ...at(
      [ACTION, OPTIONS_LOAD, SINGLE],
      [
        ['a payload that is empty', form({ payload: '' })],
        ['a payload of words', form({ payload: 'hello' })],
        ['a payload cut short', raw(FORM, `payload=${encodeURIComponent('{"type":"block_actions"')}`)],
        ['a payload of null', interaction(null)],
        ['a payload that is a list', interaction([{ type: 'block_suggestion', value: '', team: { id: TEAM } }])],
        ['a payload that is a text', interaction('block_suggestion')],
        ['a payload that is a number', interaction(7)],
        ['a payload that is not UTF-8', raw(FORM, 'payload=%7B%22a%22%3A%22%ff%22%7D')],
        ['a form that is not UTF-8', raw(FORM, Buffer.from([...Buffer.from('payload={}&x='), 0xff]))],
        ['two payloads', raw(FORM, `${blockSuggestion().body}&${blockSuggestion().body}`)],
        ['options asked for without a value', blockSuggestion({ value: undefined })],
        ['dialog options asked for without a value', dialogSuggestion({ value: undefined })],
        ['menu options asked for without a value', menuSuggestion({ value: undefined })],
      ],
    ),
    ...at(
      [ACTION, OPTIONS_LOAD],
      [
        ['a command', slashCommand()],
        ['a form without payload', form({ team_id: TEAM })],
        ['a field named like it', form({ Payload: '{}', payloads: '{}' })],
        ['an empty body', raw(FORM, '')],
        ['an event', eventCallback()],
        ['a url_verification', urlVerification()],
        ['app_rate_limited', appRateLimited()],
      ],
    ),
    ...at(
      [OPTIONS_LOAD],
      surfaces
        .filter(({ kind }) => kind !== 'event' && kind !== 'command' && kind !== 'options')
        .map((surface) => [`a ${surface.name}`, surface.from(TEAM)] as const),
    ),
    ...at([OPTIONS_LOAD], [['a type that is no text', blockSuggestion({ type: 7 })]]),
    ...at([OPTIONS_LOAD], [['no type', blockSuggestion({ type: undefined })]]),
    ...at(
      [COMMANDS],
      [
        ['an interaction', blockActions()],
        ['options asked for', blockSuggestion()],
        ['a command beside a payload', raw(FORM, `${slashCommand().body}&payload=`)],
        ['a command beside an encoded payload', raw(FORM, `${slashCommand().body}&p%61yload=%7B%7D`)],
        ['an event', eventCallback()],
        ['a url_verification', urlVerification()],
      ],
    ),
    ...at(
      [COMMANDS, SINGLE],
      [
        ['neither command nor team nor enterprise', form({ text: 'help', user_id: 'U1' })],
        ['an empty command, team and enterprise', form({ command: '', team_id: '', enterprise_id: '' })],
        ['a form that is not UTF-8', raw(FORM, 'command=%2Fsilo&team_id=T0ACME00001&text=%c3%28')],
        ['an empty form', raw(FORM, '')],
      ],
    ),
  ])('is 400: $what at $path', async ({ path, body }) => {
    const { reply, asked } = await silo.deliver(path, body)
    expectProblem(reply, 400, 'malformed_request')
    expect(asked).toEqual([])
  })

  it.each(everywhere.filter(({ path }) => !path.startsWith(SINGLE)))(
    'goes by content, not by what it calls itself: $what at $path',
    async ({ path, surface }) => {
      for (const contentType of [JSON_TYPE, FORM, 'text/plain', `${FORM}; charset=utf-8`]) {
        const { asked } = await silo.deliver(path, { body: surface.from(TEAM).body, contentType })
        expect(asked).toEqual(['us'])
      }
    },
  )

  it.each([`${FORM}; charset=utf-8`, `${FORM};charset=UTF-8`, 'Application/X-Www-Form-Urlencoded'])(
    'at the single path a form is told by its content type: %s',
    async (contentType) => {
      for (const surface of surfaces.filter(({ kind }) => kind !== 'event')) {
        const { asked } = await silo.deliver(SINGLE, { body: surface.from(TEAM).body, contentType })
        expect(asked).toEqual(['us'])
      }
    },
  )

  it('is not a command that speaks of a payload', async () => {
    for (const path of [COMMANDS, SINGLE]) {
      const { asked } = await silo.deliver(path, slashCommand({ text: 'show payload={"type":"x"}&payload=1' }))
      expect(asked).toEqual(['us'])
    }
  })

  it.each(
    at(
      [OPTIONS_LOAD, ACTION, SINGLE],
      [
        ['block_suggestion', blockSuggestion({ value: '' })],
        ['dialog_suggestion', dialogSuggestion({ value: '' })],
        ['menu', menuSuggestion({ value: '' })],
      ],
    ),
  )('is not an empty value of $what at $path', async ({ path, body }) => {
    expect((await silo.deliver(path, body)).asked).toEqual(['us'])
  })
})

describe('row 7: url_verification', () => {
  it.each(
    at(
      [EVENT, SINGLE],
      [
        ['a challenge', urlVerification()],
        ['a challenge of JSON and letters beyond ASCII', urlVerification({ challenge: '{"a":"ü\u2028"}' })],
        ['an empty challenge', urlVerification({ challenge: '' })],
        ['a challenge beside an event', urlVerification({ event: { type: 'app_mention' }, team_id: TEAM })],
      ],
    ),
  )('is answered here with the challenge: $what at $path', async ({ path, body }) => {
    const { reply, asked } = await silo.deliver(path, body)
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toMatch(/^application\/json\b/)
    expect(reply.json()).toEqual({ challenge: JSON.parse(body.body).challenge })
    expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    expect(asked).toEqual([])
  })
})

describe('row 8: app_rate_limited', () => {
  it.each(
    at(
      [EVENT, SINGLE],
      [
        ['a workspace', appRateLimited()],
        ['nobody', appRateLimited({ team_id: undefined })],
      ],
    ),
  )('is 200 and empty, counted and warned of: $what at $path', async ({ path, body }) => {
    const read = (name: string) => silo.gateway.counters.read().get(name) ?? 0
    const lookUps = () => [...silo.gateway.counters.read()].filter(([name]) => name.startsWith('directory_lookups'))
    const before = { limited: read('app_rate_limited_total'), lookUps: lookUps() }

    const { reply, asked } = await silo.deliver(path, body)

    expect([reply.status, reply.text, asked]).toEqual([200, '', []])
    expect(read('app_rate_limited_total')).toBe(before.limited + 1)
    expect(lookUps()).toEqual(before.lookUps)
    // One in ten seconds for each workspace, so it may have been another row that raised it.
    expect(silo.logs).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringContaining('drops events') }),
    )
  })
})

describe('row 9: a request that names no workspace and no enterprise', () => {
  it.each(everywhere)('is 400: $what at $path', async ({ path, surface }) => {
    const { reply, asked } = await silo.deliver(path, surface.fromNobody())
    expectProblem(reply, 400, 'no_installation_named')
    expect(asked).toEqual([])
  })

  it.each(
    [
      [
        'an event with ids that are no texts',
        eventCallback({ team_id: 7, enterprise_id: {}, authorizations: [{ team_id: ['T'] }] }),
      ],
      ['an event with empty ids', eventCallback({ team_id: '', enterprise_id: '', authorizations: [{ team_id: '' }] })],
      ['an event with authorizations null', eventCallback({ team_id: null, authorizations: null })],
      ['an event with an authorization null', eventCallback({ team_id: null, authorizations: [null] })],
      ['a click of a team that is a text', blockActions({ team: TEAM, user: TEAM })],
      ['a click of a team with a number', blockActions({ team: { id: 7 }, user: { team_id: 7 } })],
      ['a click of empty ids', blockActions({ team: { id: '' }, user: { team_id: '' }, enterprise: { id: '' } })],
      ['a click without any of them', blockActions({ team: undefined, user: undefined, enterprise: undefined })],
      [
        'a click of ids inherited',
        blockActions({ team: undefined, user: undefined, ['__proto__']: { team: { id: TEAM } } }),
      ],
      ['a view that is null', viewSubmission({ team: null, user: null, view: null })],
      ['a command of empty ids', slashCommand({ team_id: '', enterprise_id: '' })],
      ['an org-wide command without ids', slashCommand({ team_id: undefined, is_enterprise_install: 'true' })],
    ].map(([what, body]) => ({ what, body: body as SlackBody })),
  )('is 400 at the single path: $what', async ({ body }) => {
    const { reply, asked } = await silo.deliver(SINGLE, body)
    expectProblem(reply, 400, 'no_installation_named')
    expect(asked).toEqual([])
  })

  it('comes after the body: both wrong is malformed', async () => {
    const { reply } = await silo.deliver(ACTION, blockSuggestion({ value: undefined, team: null, user: null }))
    expectProblem(reply, 400, 'malformed_request')
  })
})

describe('row 11: an action that is answered here', () => {
  const local: (readonly [string, SlackBody])[] = [
    ['the value', blockActions({}, { value: 'link_clicked' })],
    ['the other value', blockActions({}, { value: 'sentry_docs_link_clicked' })],
    ['the value of an attachment button', interactiveMessage({}, { value: 'link_clicked' })],
    ['the action_id', blockActions({}, { action_id: 'link_clicked', value: undefined })],
    ['the name part of the action_id', blockActions({}, { action_id: 'link_clicked::10::20' })],
    ['the name part, whatever follows', blockActions({}, { action_id: 'link_clicked::x::y::z' })],
    [
      'the action_id of a second action',
      blockActions({ actions: [{ action_id: 'a' }, { action_id: 'link_clicked' }] }),
    ],
    ['the first truthy value', blockActions({ actions: [{ value: '' }, { value: null }, { value: 'link_clicked' }] })],
    ['an installation nobody knows', blockActions({ team: { id: 'T0NOBODY001' } }, { value: 'link_clicked' })],
  ]
  it.each(at([ACTION, SINGLE], local))('is 200 and empty: by $what at $path', async ({ path, body }) => {
    const { reply, asked } = await silo.deliver(path, body)
    expect([reply.status, reply.text, asked]).toEqual([200, '', []])
  })

  const notLocal: (readonly [string, SlackBody])[] = [
    ['a value that is not the first', blockActions({ actions: [{ value: 'x' }, { value: 'link_clicked' }] })],
    ['a value behind a number', blockActions({ actions: [{ value: 7 }, { value: 'link_clicked' }] })],
    ['a value with the name in it', blockActions({}, { value: 'link_clicked::10' })],
    ['another case', blockActions({}, { value: 'Link_Clicked' })],
    ['an action_id with the name further on', blockActions({}, { action_id: 'x::link_clicked' })],
    ['an action_id that begins like it', blockActions({}, { action_id: 'link_clicked_twice' })],
    ['a shortcut of that callback_id', globalShortcut({ callback_id: 'link_clicked' })],
    ['a view of that callback_id', viewSubmission({}, { callback_id: 'link_clicked' })],
    ['options asked for by that action_id', blockSuggestion({ action_id: 'link_clicked' })],
    ['options asked for with that value', blockSuggestion({ value: 'link_clicked' })],
    ['an attachment button of that name', interactiveMessage({}, { name: 'link_clicked' })],
  ]
  it.each(at([ACTION, SINGLE], notLocal))('is not $what at $path', async ({ path, body }) => {
    const { reply, asked } = await silo.deliver(path, body)
    expect([reply.status, reply.text, asked]).toEqual([200, 'us', ['us']])
  })

  it('comes after row 9: without a workspace it is 400', async () => {
    const body = blockActions({ team: null, user: null }, { value: 'link_clicked' })
    expectProblem((await silo.deliver(ACTION, body)).reply, 400, 'no_installation_named')
  })
})
