import { describe, expect, it } from 'vitest'
import type { Outcome, RegionResult } from '../../../../src/dispatch/region-result.ts'
import { SiloClientError } from '../../../../src/errors.ts'
import type { Reply } from '../../../../src/provider.ts'
import {
  blockActions,
  blockSuggestion,
  dialogSubmission,
  dialogSuggestion,
  eventCallback,
  globalShortcut,
  menuSuggestion,
  messageAction,
  slashCommand,
  viewClosed,
  viewSubmission,
  workflowStepEdit,
  type SlackBody,
} from '../../../support/slack-payloads.ts'
import { answered, createSlackRig, head, PAGE_SECRET, refusal, refused, timedOut } from './rig.ts'

const rig = createSlackRig({ env: { PAGE_SIGNING_SECRET: PAGE_SECRET } })
const { provider } = rig

const interactions: readonly (readonly [string, SlackBody])[] = [
  ['click', blockActions()],
  ['submitted view', viewSubmission()],
  ['closed view', viewClosed()],
  ['dialog', dialogSubmission()],
  ['shortcut', globalShortcut()],
  ['message shortcut', messageAction()],
  ['workflow step', workflowStepEdit()],
  ['options request', blockSuggestion()],
]

async function requestOf(body: SlackBody | 'page') {
  if (body !== 'page') return await rig.request({ body })
  const token = await provider.pageToken?.({ integrationId: '1' }, 60)
  return await rig.request({ path: `/extensions/slack/link-team/${token}`, method: 'GET', secret: null })
}

function messageIn(reply: Reply): string {
  expect(reply.status).toBe(200)
  expect(reply.rawHeaders).toEqual(['Content-Type', 'application/json; charset=utf-8'])
  const { text, ...rest } = JSON.parse(reply.body.toString()) as { text: string }
  expect(rest).toEqual({ response_type: 'ephemeral', replace_original: false })
  return text
}

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown')
}

const won = (status: number, body = ''): Outcome => {
  const winner = answered(status, body)
  return { kind: 'won', winner }
}
const lost = (...results: RegionResult[]): Outcome => ({ kind: 'lost', results })

const event = await requestOf(eventCallback())

describe('what Slack hears of an event', () => {
  it.for([200, 201, 204, 299])('a region answered %i: 200 empty, nothing of the region', (status) => {
    const reply = provider.respond(event, won(status, 'internal'))
    expect(reply).toEqual({ status: 200, rawHeaders: [], body: Buffer.alloc(0) })
  })

  it('no region succeeded: a SiloClientError with the results', () => {
    const outcome = { kind: 'lost', results: [timedOut, refused, answered(404)] } as const
    expect(thrownBy(() => provider.respond(event, outcome))).toBeInstanceOf(SiloClientError)
    expect(thrownBy(() => provider.respond(event, outcome))).toMatchObject({
      code: 'silo_client_error',
      results: outcome.results,
    })
  })
})

describe('what Slack hears of a command', () => {
  it.for([200, 302, 404])("a region answered %i: the region's reply as it is", async (status) => {
    const outcome = won(status, 'Hello')
    const request = await requestOf(slashCommand())
    expect(provider.respond(request, outcome)).toBe(outcome.kind === 'won' && outcome.winner.reply)
  })

  it('no region answered: a message to the user, which names no region', async () => {
    const request = await requestOf(slashCommand())
    for (const outcome of [lost(refused), lost(timedOut, refused), lost(refused, timedOut)]) {
      expect(messageIn(provider.respond(request, outcome))).toBe(
        'This could not be completed just now. Please try again in a moment.',
      )
    }
  })

  it('every region was too late: a message that says so', async () => {
    const request = await requestOf(slashCommand())
    expect(messageIn(provider.respond(request, lost(timedOut, timedOut)))).toBe(
      'This took too long, so it was given up. Please try again in a moment.',
    )
  })
})

describe.each([...interactions, ['page', 'page'] as const])('what is heard of a %s', (_, body) => {
  it.for([200, 204, 302, 404])("a region answered %i: the region's reply as it is", async (status) => {
    const outcome = won(status, 'bytes')
    const reply = provider.respond(await requestOf(body), outcome)
    expect(reply).toBe(outcome.kind === 'won' && outcome.winner.reply)
  })

  it('no region answered: a SiloClientError with the results', async () => {
    const request = await requestOf(body)
    expect(thrownBy(() => provider.respond(request, lost(timedOut)))).toMatchObject({
      code: 'silo_client_error',
      results: [timedOut],
    })
  })
})

describe('no integration is known', () => {
  it('for a command: a message to the user', async () => {
    expect(messageIn(provider.unknownIntegration(await requestOf(slashCommand()), head()))).toMatch(
      /^This workspace is not connected\./,
    )
  })

  it.for([['event', eventCallback()], ...interactions] as const)('for a %s: refused', async ([, body]) => {
    const request = await requestOf(body)
    expect(thrownBy(() => provider.unknownIntegration(request, head()))).toMatchObject(
      refusal('unknown_integration', { headers: {} }),
    )
  })

  it.for([
    ['1', {}],
    ['2', {}],
    ['3', { 'X-Slack-No-Retry': '1' }],
    ['33', {}],
    ['3, 3', {}],
  ] as const)('on retry %s of an event: with the headers %j', ([retry, headers]) => {
    const sent = head({ 'x-slack-retry-num': retry })
    expect(thrownBy(() => provider.unknownIntegration(event, sent))).toMatchObject({ headers })
    expect(
      Object.keys((thrownBy(() => provider.unknownIntegration(event, sent)) as { headers: object }).headers),
    ).toEqual(Object.keys(headers))
  })

  it('for a page: the link is not valid', async () => {
    const request = await requestOf('page')
    expect(thrownBy(() => provider.unknownIntegration(request, head()))).toMatchObject(refusal('invalid_page_token'))
  })
})

describe('the integration is disabled, or no organization uses it', () => {
  it.for([
    ['event', eventCallback(), 202],
    ['click', blockActions(), 202],
    ['global shortcut', globalShortcut(), 202],
    ['message shortcut', messageAction(), 202],
    ['workflow step', workflowStepEdit(), 202],
    ['submitted view', viewSubmission(), 200],
    ['closed view', viewClosed(), 200],
    ['dialog', dialogSubmission(), 200],
  ] as const)('%s: %3$i empty', async ([, body, status]) => {
    expect(provider.inactive(await requestOf(body))).toEqual({ status, rawHeaders: [], body: Buffer.alloc(0) })
  })

  it('command: a message to the user', async () => {
    expect(messageIn(provider.inactive(await requestOf(slashCommand())))).toMatch(/no active organization/)
  })

  it.for([blockSuggestion(), dialogSuggestion(), menuSuggestion()])(
    'options request: no options (%#)',
    async (body) => {
      const reply = provider.inactive(await requestOf(body))
      expect(reply).toMatchObject({ status: 200, rawHeaders: ['Content-Type', 'application/json; charset=utf-8'] })
      expect(reply.body.toString()).toBe('{"options":[]}')
    },
  )

  it('page: the link is not valid', async () => {
    const request = await requestOf('page')
    expect(thrownBy(() => provider.inactive(request))).toMatchObject(refusal('invalid_page_token'))
  })
})
