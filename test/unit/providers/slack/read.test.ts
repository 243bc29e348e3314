import { describe, expect, it } from 'vitest'
import { surfaces } from '../../../support/slack-surfaces.ts'
import {
  appRateLimited,
  eventCallback,
  slashCommand,
  sslCheck,
  type SlackBody,
} from '../../../support/slack-payloads.ts'
import { COMMANDS, createSlackRig, EVENTS, refusal, SINGLE, type SlackRig } from './rig.ts'

const read = async ({ provider, door }: SlackRig, path: string, { body, contentType }: SlackBody, appId?: string) =>
  await provider.read(door(path), { contentType, bytes: Buffer.from(body), appId })

describe('a body that is read without its signature', () => {
  it.each(
    surfaces.flatMap((surface) => [...surface.paths, SINGLE].map((path) => [surface.name, path, surface] as const)),
  )('is what it is with it: %s at %s', async (_name, path, surface) => {
    const rig = createSlackRig()
    const body = surface.from('T0ACME00001')
    const { dedupKey, sentAt = NaN, ...request } = await rig.request({ path, body })
    expect(dedupKey).not.toBe('')
    expect(sentAt % 1000).toBe(0)
    expect(await read(rig, path, body)).toMatchObject({ kind: 'request', request })
  })

  it('is a check of the certificate where it says so', async () => {
    expect(await read(createSlackRig(), COMMANDS, sslCheck())).toMatchObject({ kind: 'answered', rule: 'ssl_check' })
  })

  it('is no use of a secret, and neither counted nor told about', async () => {
    const rig = createSlackRig()
    await read(rig, EVENTS, appRateLimited())
    await read(rig, COMMANDS, slashCommand({ response_url: 'https://elsewhere.example/' }))
    expect([rig.counters.read().size, rig.warnings]).toEqual([0, []])
    expect(rig.secrets.map(({ use }) => use.lastUsedAt)).toEqual([0])
  })

  it.each([
    ['the body', eventCallback({ api_app_id: 'A0ONE000001' }), undefined, 'A0ONE000001'],
    ['whoever asks', eventCallback({ api_app_id: undefined }), 'A0TWO000001', 'A0TWO000001'],
    ['the newest secret', eventCallback({ api_app_id: undefined }), undefined, 'A0ONE000001'],
  ])('has the app that %s names', async (_who, body, appId, named) => {
    const rig = createSlackRig({ env: { SLACK_SIGNING_SECRETS: 'A0ONE000001:one,A0TWO000001:two' } })
    expect(await read(rig, EVENTS, body, appId)).toMatchObject({ request: { installation: { appId: named } } })
  })

  it.each([
    ['that there is no secret of', eventCallback({ api_app_id: 'A0THREE0001' }), undefined],
    ['other than the one that is asked for', eventCallback({ api_app_id: 'A0ONE000001' }), 'A0TWO000001'],
    ['that is asked for and there is no secret of', eventCallback({ api_app_id: undefined }), 'A0THREE0001'],
  ])('is refused of an app %s', async (_which, body, appId) => {
    const rig = createSlackRig({ env: { SLACK_SIGNING_SECRETS: 'A0ONE000001:one,A0TWO000001:two' } })
    await expect(read(rig, EVENTS, body, appId)).rejects.toMatchObject(refusal('invalid_signature'))
  })
})

describe('the signing secrets', () => {
  it('are told of with their apps, newest first', () => {
    const rig = createSlackRig({ env: { SLACK_SIGNING_SECRETS: 'A0ONE000001:one,two' } })
    expect(rig.secrets).toMatchObject([
      { name: 'SLACK_SIGNING_SECRETS', owner: { app_id: 'A0ONE000001' }, value: 'one' },
      { name: 'SLACK_SIGNING_SECRETS', owner: {}, value: 'two' },
    ])
  })

  it('say when they have last verified a webhook, and the others do not', async () => {
    const rig = createSlackRig({ env: { SLACK_SIGNING_SECRETS: 'one,two' } })
    await rig.identify({ path: EVENTS, body: eventCallback(), secret: 'two' })
    expect(rig.secrets.map(({ use }) => use.lastUsedAt)).toEqual([0, rig.clock.now()])
  })

  it('are not used by a body that another app has signed', async () => {
    const rig = createSlackRig({ env: { SLACK_SIGNING_SECRETS: 'A0ONE000001:one' } })
    const foreign = { path: EVENTS, body: eventCallback({ api_app_id: 'A0TWO000001' }), secret: 'one' }
    await expect(rig.identify(foreign)).rejects.toMatchObject(refusal('invalid_signature'))
    expect(rig.secrets.map(({ use }) => use.lastUsedAt)).toEqual([0])
  })
})
