import { verifySlackRequest } from '@slack/bolt'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { startBoltRegion } from '../../../support/bolt-region.ts'
import { APP, eventCallback } from '../../../support/slack-payloads.ts'
import { signSlack } from '../../../support/slack-signer.ts'
import { createSlackRig, NOW, SECRET } from './rig.ts'

const HOUR = 3_600_000
const body = Buffer.from(eventCallback().body)

const rigWith = (secrets: string, now = NOW) => createSlackRig({ env: { SLACK_SIGNING_SECRETS: secrets }, now })

/** Which of these secrets the headers are signed with, of now. */
function signedWith(headers: readonly string[] | undefined, secrets: readonly string[], now = NOW) {
  if (headers === undefined) return undefined
  const values = new Map<string, string>()
  for (let i = 0; i < headers.length; i += 2) values.set((headers[i] ?? '').toLowerCase(), headers[i + 1] ?? '')
  return secrets.find((secret) =>
    Object.entries(signSlack({ secret, body, now })).every(([name, value]) => values.get(name) === value),
  )
}

describe('the secret a request that has waited is signed with', () => {
  const secrets = ['older', 'newer', 'other', 'anyone', 'anyone-older']
  const by = (list: string, signedBy: string) =>
    signedWith(rigWith(list).provider.signAgain({ rawHeaders: [], body, signedBy }), secrets)

  it('is the newest of the app whose secret verified it', () => {
    expect(by(`A0OTHER0001:other,${APP}:newer,anyone,${APP}:older`, APP)).toBe('newer')
  })

  it('is the newest of no app where that app has none any more', () => {
    expect(by('A0OTHER0001:other,anyone,anyone-older', APP)).toBe('anyone')
  })

  it('is the newest of no app where one of no app verified it', () => {
    expect(by(`${APP}:newer,anyone,anyone-older`, '')).toBe('anyone')
  })

  it("is never another app's: without one there is no signature", () => {
    expect(rigWith('A0OTHER0001:other').provider.signAgain({ rawHeaders: [], body, signedBy: APP })).toBeUndefined()
    expect(rigWith('A0OTHER0001:other').provider.signAgain({ rawHeaders: [], body, signedBy: '' })).toBeUndefined()
  })
})

describe('the headers of a request that has waited', () => {
  const { provider } = rigWith(SECRET)
  const signed = signSlack({ secret: SECRET, body, now: NOW })
  const fresh = [
    ['X-Slack-Request-Timestamp', signed['x-slack-request-timestamp']],
    ['X-Slack-Signature', signed['x-slack-signature']],
  ] as const
  const [timestamp, signature] = fresh
  const signAgain = (...rawHeaders: string[]) => provider.signAgain({ rawHeaders, body, signedBy: '' })

  it('keep their order, the signature where it stood', () => {
    expect(
      signAgain(
        'Accept',
        '*/*',
        'X-Slack-Signature',
        'v0=0',
        'X-Slack-Retry-Num',
        '1',
        'X-Slack-Request-Timestamp',
        '1',
        'A',
        'b',
      ),
    ).toEqual(['Accept', '*/*', ...signature, 'X-Slack-Retry-Num', '1', ...timestamp, 'A', 'b'])
  })

  it('carry it once, however it was spelled and however often', () => {
    expect(
      signAgain(
        'x-slack-signature',
        'v0=0',
        'x_slack_signature',
        'v0=1',
        'X-SLACK-SIGNATURE',
        'v0=2',
        'X_Slack-Request_Timestamp',
        '1',
      ),
    ).toEqual([...signature, ...timestamp])
  })

  it('get it where they had none', () => {
    expect(signAgain('Accept', '*/*')).toEqual(['Accept', '*/*', ...timestamp, ...signature])
  })

  it('are otherwise what they were, repeated ones too', () => {
    const name = fc.oneof(
      fc.constantFrom('Cookie', 'x-slack-signatures', 'x-slack-retry-num', '__proto__'),
      fc.string(),
    )
    const isOurs = (name: string) => /^x[-_]slack[-_](signature|request[-_]timestamp)$/i.test(name)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(name, fc.constant('X-Slack-Signature')), fc.string())), (pairs) => {
        const headers = signAgain(...pairs.flat()) ?? []
        const others = headers.filter((_, at) => !isOurs(headers[at - (at % 2)] ?? ''))
        expect(others).toEqual(pairs.filter(([name]) => !isOurs(name)).flat())
        expect(signedWith(headers, [SECRET])).toBe(SECRET)
        expect(headers).toHaveLength(others.length + 4)
      }),
    )
  })

  it('do not change what was given', () => {
    const rawHeaders = Object.freeze(['X-Slack-Signature', 'v0=0'])
    expect(provider.signAgain({ rawHeaders, body, signedBy: '' })).not.toBe(rawHeaders)
    expect(rawHeaders).toEqual(['X-Slack-Signature', 'v0=0'])
  })
})

describe('an unmodified Bolt app', () => {
  // Bolt compares with the clock of its process.
  const now = Date.now()
  const { provider, receive } = rigWith(SECRET, now)
  const { rawHeaders } = receive({ body: eventCallback(), signedAt: now - HOUR })

  const accepts = (headers: readonly string[]) => {
    const valueOf = (wanted: string) =>
      headers[headers.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === wanted) + 1] ?? ''
    verifySlackRequest({
      signingSecret: SECRET,
      body: body.toString(),
      headers: {
        'x-slack-signature': valueOf('x-slack-signature'),
        'x-slack-request-timestamp': Number(valueOf('x-slack-request-timestamp')),
      },
    })
  }

  it('refuses a request of an hour ago, and verifies it once it is signed again', () => {
    expect(() => accepts(rawHeaders)).toThrow(/stale/i)
    expect(() => accepts(provider.signAgain({ rawHeaders, body, signedBy: '' }) ?? [])).not.toThrow()
  })

  it.for(['HTTPReceiver', 'ExpressReceiver'] as const)('hears it on the wire (%s)', async (kind) => {
    const bolt = await startBoltRegion({ kind, signingSecret: SECRET, endpoints: ['/slack/events'] })
    const heard: string[] = []
    bolt.app.event('app_mention', async ({ event }) => void heard.push(event.ts))
    const statusOf = async (headers: readonly string[]) => {
      const fields = new Headers({ connection: 'close' })
      for (let i = 0; i < headers.length; i += 2) fields.append(headers[i] ?? '', headers[i + 1] ?? '')
      return (await fetch(`${bolt.url}/slack/events`, { method: 'POST', body, headers: fields })).status
    }
    try {
      expect([await statusOf(rawHeaders), heard]).toEqual([401, []])
      const again = provider.signAgain({ rawHeaders, body, signedBy: '' }) ?? []
      expect([await statusOf(again), heard]).toEqual([200, ['1700000000.000100']])
    } finally {
      await bolt.close()
    }
  })
})
