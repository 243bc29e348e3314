import { describe, expect, it } from 'vitest'
import {
  APP,
  blockActions,
  eventCallback,
  form,
  FORM,
  globalShortcut,
  interaction,
  JSON_TYPE,
  slashCommand,
  sslCheck,
  urlVerification,
} from '../../../support/slack-payloads.ts'
import { signSlack } from '../../../support/slack-signer.ts'
import { ACTIONS, answeredOf, COMMANDS, createSlackRig, EVENTS, NOW, OPTIONS, refusal, SECRET, SINGLE } from './rig.ts'

const body = eventCallback()
const valid = signSlack({ secret: SECRET, body: body.body, now: NOW })
const hex = valid['x-slack-signature'].slice(3)

describe('before the body is read', () => {
  const { admit } = createSlackRig()

  it('tells a signed head from one without a signature', async () => {
    expect(await admit({ body })).toMatchObject({ signed: true })
    expect(await admit({ body, secret: null })).toMatchObject({ signed: false })
  })

  it.for([
    ['no signature', { 'x-slack-request-timestamp': '1700000000' }],
    ['no timestamp', { 'x-slack-signature': `v0=${hex}` }],
    ['an empty signature', { ...valid, 'x-slack-signature': '' }],
    ['an empty timestamp', { ...valid, 'x-slack-request-timestamp': '' }],
    ['a signature without version', { ...valid, 'x-slack-signature': hex }],
    ['another version', { ...valid, 'x-slack-signature': `v1=${hex}` }],
    ['a short signature', { ...valid, 'x-slack-signature': `v0=${hex.slice(1)}` }],
    ['a long signature', { ...valid, 'x-slack-signature': `v0=${hex}0` }],
    ['something before it', { ...valid, 'x-slack-signature': ` v0=${hex}` }],
    ['upper-case hex', { ...valid, 'x-slack-signature': `v0=${'A'.repeat(64)}` }],
    ['another alphabet', { ...valid, 'x-slack-signature': `v0=${'g'.repeat(64)}` }],
    ['wide digits', { ...valid, 'x-slack-signature': `v0=${'１'.repeat(64)}` }],
    ['a repeated signature', { ...valid, 'x-slack-signature': `v0=${hex}, v0=${hex}` }],
    ['a timestamp that is a word', { ...valid, 'x-slack-request-timestamp': 'abc' }],
    ['a negative timestamp', { ...valid, 'x-slack-request-timestamp': '-1700000000' }],
    ['a fraction', { ...valid, 'x-slack-request-timestamp': '1700000000.5' }],
    ['a blank before it', { ...valid, 'x-slack-request-timestamp': ' 1700000000' }],
    ['an exponent', { ...valid, 'x-slack-request-timestamp': '17e8' }],
    ['a repeated timestamp', { ...valid, 'x-slack-request-timestamp': '1700000000, 1700000000' }],
    ['13 digits', { ...valid, 'x-slack-request-timestamp': '0001700000000' }],
  ] as const)('refuses and closes on %s', async ([, headers]) => {
    await expect(admit({ body, secret: null, headers })).rejects.toMatchObject(
      refusal('invalid_signature', { close: true }),
    )
  })

  it('accepts a timestamp of up to 12 digits and leaves the rest to the signature', async () => {
    const headers = { ...valid, 'x-slack-request-timestamp': '001700000000' }
    expect(await admit({ body, secret: null, headers })).toMatchObject({ signed: true })
    await expect(createSlackRig().identify({ body, secret: null, headers })).rejects.toMatchObject(
      refusal('invalid_signature'),
    )
  })

  it.for([-300, -1, 0, 1, 300])('accepts a timestamp %i s away', async (seconds) => {
    const rig = createSlackRig()
    expect(await rig.admit({ body, signedAt: NOW + seconds * 1000 })).toMatchObject({ signed: true })
    expect(rig.warnings).toEqual([])
    expect(rig.counters.read().size).toBe(0)
  })

  it.for([-301, 301, -86_400])('refuses a timestamp %i s away, closes, counts and warns', async (seconds) => {
    const rig = createSlackRig()
    await expect(rig.admit({ body, signedAt: NOW + seconds * 1000 })).rejects.toMatchObject(
      refusal('invalid_signature', { close: true }),
    )
    expect(rig.counters.read()).toEqual(new Map([['clock_skew_total', 1]]))
    expect(rig.warnings).toEqual([
      { fields: { skewSeconds: -seconds, leftOut: 0 }, message: expect.stringContaining('300 s') },
    ])
  })

  it('measures the 300 s in whole seconds, as Slack does', async () => {
    const lateInTheSecond = createSlackRig({ now: NOW + 999 })
    expect(await lateInTheSecond.admit({ body, signedAt: NOW - 300_000 })).toMatchObject({ signed: true })
  })
})

describe('ssl_check', () => {
  const { identify } = createSlackRig()

  it.for([COMMANDS, ACTIONS, EVENTS, OPTIONS, SINGLE])('is answered 200 empty on %s', async (path) => {
    const identified = answeredOf(await identify({ path, body: sslCheck(), secret: null }))
    expect(identified).toMatchObject({ rule: 'ssl_check', reply: { status: 200, rawHeaders: [] } })
    expect(identified.reply.body).toHaveLength(0)
  })

  it('is counted under the surface of its path', async () => {
    expect(answeredOf(await identify({ path: COMMANDS, body: sslCheck(), secret: null })).surface).toBe('command')
    expect(answeredOf(await identify({ body: sslCheck(), secret: null })).surface).toBe('any')
  })

  it.for([
    ['with a charset', { contentType: `${FORM}; charset=utf-8`, body: 'ssl_check=1' }],
    ['with a type in capitals', { contentType: FORM.toUpperCase(), body: 'ssl_check=1' }],
    ['with blanks around its type', { contentType: ` ${FORM} ;x`, body: 'ssl_check=1' }],
    ['behind other fields', { contentType: FORM, body: 'token=x&&ssl_check=1&' }],
    ['written with escapes', { contentType: FORM, body: 'ssl%5fcheck=%31' }],
    ['beside a smuggled payload', { contentType: FORM, body: 'ssl_check=1&payload=%7B%7D&command=%2Fx' }],
    [
      'beside fields that are not UTF-8',
      { contentType: FORM, body: Buffer.from('%ff=%ff&\xff=\xfe&ssl_check=1', 'latin1') },
    ],
  ] as const)('is one %s', async ([, body]) => {
    expect(answeredOf(await identify({ path: COMMANDS, body, secret: null })).rule).toBe('ssl_check')
  })

  it.for([
    ['of value 0', { contentType: FORM, body: 'ssl_check=0' }],
    ['of value 11', { contentType: FORM, body: 'ssl_check=11' }],
    ['of value true', { contentType: FORM, body: 'ssl_check=true' }],
    ['without value', { contentType: FORM, body: 'ssl_check=' }],
    ['without equals sign', { contentType: FORM, body: 'ssl_check' }],
    ['with a blank', { contentType: FORM, body: 'ssl_check=1+' }],
    ['twice', { contentType: FORM, body: 'ssl_check=1&ssl_check=1' }],
    ['twice, one escaped', { contentType: FORM, body: 'ssl_check=1&ssl%5Fcheck=0' }],
    ['in capitals', { contentType: FORM, body: 'SSL_CHECK=1' }],
    ['in JSON', { contentType: JSON_TYPE, body: '{"ssl_check":"1"}' }],
    ['of no type', { body: 'ssl_check=1' }],
    ['of a type that only begins like a form', { contentType: `${FORM}x`, body: 'ssl_check=1' }],
    ['of a type that only ends like a form', { contentType: `x${FORM}`, body: 'ssl_check=1' }],
    ['that is none', { contentType: FORM, body: 'token=x' }],
    ['that is empty', { contentType: FORM, body: '' }],
  ] as const)('is none %s', async ([, body]) => {
    await expect(identify({ path: COMMANDS, body, secret: null })).rejects.toMatchObject(refusal('invalid_signature'))
  })

  it('is an ordinary form once it is signed', async () => {
    await expect(identify({ path: COMMANDS, body: sslCheck() })).rejects.toMatchObject(refusal('malformed_request'))
  })
})

describe('the signature', () => {
  const rig = createSlackRig()

  it.for([
    ['event', EVENTS, eventCallback()],
    ['challenge', EVENTS, urlVerification()],
    ['command', COMMANDS, slashCommand()],
    ['click', ACTIONS, blockActions()],
  ] as const)('is demanded of an unsigned %s', async ([, path, body]) => {
    await expect(rig.identify({ path, body, secret: null })).rejects.toMatchObject(refusal('invalid_signature'))
  })

  it('must be made with a secret of ours', async () => {
    await expect(rig.identify({ body, secret: 'another secret' })).rejects.toMatchObject(refusal('invalid_signature'))
  })

  it('covers every byte of the body', async () => {
    const changed = { ...body, body: body.body.replace('app_mention', 'app_mentioN') }
    await expect(rig.identify({ body: changed, secret: null, headers: valid })).rejects.toMatchObject(
      refusal('invalid_signature'),
    )
  })

  it('covers the timestamp', async () => {
    const headers = { ...valid, 'x-slack-request-timestamp': '1700000001' }
    await expect(rig.identify({ body, secret: null, headers })).rejects.toMatchObject(refusal('invalid_signature'))
  })

  it('is judged before the body is', async () => {
    const broken = { contentType: JSON_TYPE, body: '{' }
    await expect(rig.identify({ body: broken, secret: 'wrong' })).rejects.toMatchObject(refusal('invalid_signature'))
    await expect(rig.identify({ body: broken })).rejects.toMatchObject(refusal('malformed_request'))
  })

  it('does not close the connection once the body is read', async () => {
    await expect(rig.identify({ body, secret: 'wrong' })).rejects.toMatchObject({ close: false })
    await expect(rig.identify({ body, secret: null })).rejects.toMatchObject({ close: false })
  })
})

describe('secrets of several apps', () => {
  const env = { SLACK_SIGNING_SECRETS: `A0NEWER0001:newer,${APP}:ours,anyone` }
  const { identify, request } = createSlackRig({ env })
  const appOf = async (sent: Parameters<typeof request>[0]) => {
    const { installation } = await request(sent)
    return installation.by === 'external' ? installation.appId : undefined
  }

  it('accepts any of them', async () => {
    for (const secret of ['newer', 'ours', 'anyone']) {
      expect(await request({ body: eventCallback({ api_app_id: undefined }), secret })).toBeDefined()
    }
  })

  it.for([
    ['event', eventCallback],
    ['click', blockActions],
    ['command', slashCommand],
  ] as const)('verifies a %s that names its app only by a secret of that app or of none', async ([, build]) => {
    expect(await appOf({ body: build(), secret: 'ours' })).toBe(APP)
    expect(await appOf({ body: build(), secret: 'anyone' })).toBe(APP)
    await expect(identify({ body: build(), secret: 'newer' })).rejects.toMatchObject(refusal('invalid_signature'))
  })

  it('gives a body that names no app the app of the secret that verified it', async () => {
    expect(await appOf({ body: globalShortcut(), secret: 'ours' })).toBe(APP)
    expect(await appOf({ body: globalShortcut(), secret: 'newer' })).toBe('A0NEWER0001')
    expect(await appOf({ body: globalShortcut(), secret: 'anyone' })).toBe('')
    expect(await appOf({ body: slashCommand({ api_app_id: '' }), secret: 'ours' })).toBe(APP)
    expect(await appOf({ body: eventCallback({ api_app_id: '' }), secret: 'ours' })).toBe(APP)
    expect(await appOf({ body: blockActions({ api_app_id: 7 }), secret: 'ours' })).toBe(APP)
  })

  it('looks past a newer secret of another app with the same text', async () => {
    const shared = createSlackRig({ env: { SLACK_SIGNING_SECRETS: `A0NEWER0001:same,${APP}:same` } })
    expect(await shared.request({ body: eventCallback(), secret: 'same' })).toMatchObject({
      installation: { appId: APP },
    })
    expect(await shared.request({ body: globalShortcut(), secret: 'same' })).toMatchObject({
      installation: { appId: 'A0NEWER0001' },
    })
  })

  it('judges the app before what the body says', async () => {
    const challenge = urlVerification({ api_app_id: APP })
    await expect(identify({ body: challenge, secret: 'newer' })).rejects.toMatchObject(refusal('invalid_signature'))
    const nobody = form({ command: '/x', api_app_id: APP })
    await expect(identify({ body: nobody, secret: 'newer' })).rejects.toMatchObject(refusal('invalid_signature'))
    const empty = interaction({ api_app_id: APP })
    await expect(identify({ body: empty, secret: 'newer' })).rejects.toMatchObject(refusal('invalid_signature'))
  })
})
