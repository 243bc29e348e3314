import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { slack } from '../../../../src/providers/slack/index.ts'
import { createSlackRig } from './rig.ts'

function mayPostTo(hosts?: string): (url: string) => boolean {
  const { provider } = createSlackRig({ env: { SLACK_RESPONSE_HOSTS: hosts } })
  return (url) => provider.mayPostTo(url)
}

describe('where an answer may be posted to', () => {
  const may = mayPostTo()

  it.for([
    'https://hooks.slack.com/commands/T1/1/x',
    'https://hooks.slack-gov.com/actions/T1/1/x',
    'https://hooks.slack.com:443/app/T1/1/x?a=b#c',
    'HTTPS://HOOKS.Slack.Com/commands/T1/1/x',
    // Spelled oddly, and led by every reader of URLs to Slack.
    'https:\\\\hooks.slack.com\\x',
    'https:hooks.slack.com/x',
    ' https://hooks.slack.com/x\n',
    'https://hooks%2Eslack.com/x',
    'https://ｈooks.slack.com/x',
    'https://@hooks.slack.com/x',
    'https://hooks.slack.com\\@evil.example/x',
  ])('Slack itself: %j', (url) => {
    expect(may(url)).toBe(true)
  })

  it.for([
    'http://hooks.slack.com/x',
    'http://hooks.slack.com:443/x',
    'https://hooks.slack.com:80/x',
    'https://hooks.slack.com:8443/x',
    'https://hooks.slack.com./x',
    'https://slack.com/x',
    'https://a.hooks.slack.com/x',
    'https://evilhooks.slack.com/x',
    'https://hooks.slack.com.evil.example/x',
    'https://hooks.slack.comevil.example/x',
    'https://hooks.slack.com\t.evil.example/x',
    'https://hooks-slack.com/x',
    'https://hooksXslack.com/x',
    'https://hooks.slack-gov.com.evil.example/x',
    'https://hooks.slack.com@evil.example/x',
    'https://hooks.slack.com:x@evil.example/x',
    'https://user@hooks.slack.com/x',
    'https://user:word@hooks.slack.com/x',
    'https://:word@hooks.slack.com/x',
    'https://evil.example/https://hooks.slack.com/x',
    'https://evil.example\\@hooks.slack.com/x',
    'https://evil.example#@hooks.slack.com/x',
    'https://evil.example?@hooks.slack.com/x',
    'https://hооks.slack.com/x',
    'https://127.0.0.1/x',
    'https://[::1]/x',
    'https://localhost/x',
    'https://169.254.169.254/latest/meta-data',
    'ftp://hooks.slack.com/x',
    'wss://hooks.slack.com/x',
    'file://hooks.slack.com/x',
    'javascript://hooks.slack.com/%0Ax',
    'blob:https://hooks.slack.com/x',
    '//hooks.slack.com/x',
    'hooks.slack.com/x',
    'https://',
    '',
  ])('nowhere else: %j', (url) => {
    expect(may(url)).toBe(false)
  })

  it('whatever a text looks like, it is dialled at Slack or not at all', () => {
    const piece = fc.oneof(
      fc.constantFrom('https:', 'http:', 'HTTPS:', '//', '/', '\\', '\\\\', '@', ':', '#', '?', '.', '\t', '\n', ' '),
      fc.constantFrom('hooks.slack.com', 'hooks.slack-gov.com', 'HOOKS.SLACK.COM', 'evil.example', 'slack.com'),
      fc.constantFrom(':443', ':80', ':8443', 'user:word@', '%2e', '%00', '。', 'xn--', '\u00AD', '[::1]', '0x7f.1'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    )
    let allowed = 0
    fc.assert(
      fc.property(
        fc.oneof(fc.constant('https://'), fc.constant('')),
        fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
        (scheme, rest) => {
          if (!may(scheme + rest)) return
          allowed++
          const { origin, username, password } = new URL(scheme + rest)
          expect(['https://hooks.slack.com', 'https://hooks.slack-gov.com']).toContain(origin)
          expect(username + password).toBe('')
        },
      ),
      { numRuns: 5000 },
    )
    expect(allowed).toBeGreaterThan(0)
  })

  it('nothing put before or behind the host is Slack any more', () => {
    const label = fc.string({ unit: fc.constantFrom('a', '-', '.', '0', '@', ':'), minLength: 1, maxLength: 5 })
    const isSlack = new Set(['https://hooks.slack.com', 'https://hooks.slack-gov.com'])
    fc.assert(
      fc.property(label, fc.boolean(), (more, before) => {
        const url = before ? `https://${more}hooks.slack.com/` : `https://hooks.slack.com${more}/`
        const dialled = URL.parse(url)
        fc.pre(dialled === null || !isSlack.has(dialled.origin) || dialled.username + dialled.password !== '')
        expect(may(url)).toBe(false)
      }),
    )
  })
})

describe('SLACK_RESPONSE_HOSTS', () => {
  const faults = (text: string) =>
    (
      slack.environment.safeParse({ SLACK_SIGNING_SECRETS: 'secret', SLACK_RESPONSE_HOSTS: text }).error?.issues ?? []
    ).map(({ path, message }) => `${path.join('.')} ${message}`)

  it.for([
    ['127.0.0.1:9000', 'http://127.0.0.1:9000/x', true],
    ['127.0.0.1:9000', 'https://127.0.0.1:9000/x', true],
    ['127.0.0.1:9000', 'http://2130706433:9000/x', true],
    ['127.0.0.1:9000', 'http://127.0.0.1:9001/x', false],
    ['127.0.0.1:9000', 'http://127.0.0.1/x', false],
    ['127.0.0.1:9000', 'http://127.0.0.2:9000/x', false],
    ['127.0.0.1:9000', 'http://user@127.0.0.1:9000/x', false],
    ['127.0.0.1:9000', 'ftp://127.0.0.1:9000/x', false],
    ['slack.test', 'http://slack.test/x', true],
    ['slack.test', 'https://slack.test/x', true],
    ['slack.test', 'https://slack.test:443/x', true],
    ['slack.test', 'http://slack.test:443/x', false],
    ['slack.test', 'http://a.slack.test/x', false],
    ['slack.test', 'http://slack.test./x', false],
    ['slack.test:80', 'http://slack.test/x', true],
    ['slack.test:80', 'https://slack.test:80/x', true],
    ['slack.test:80', 'https://slack.test/x', false],
    ['slack.test:443', 'https://slack.test/x', true],
    ['Slack.Test', 'http://SLACK.test/x', true],
    ['[::1]:9000', 'http://[::1]:9000/x', true],
    ['[::1]:9000', 'http://[0:0::1]:9000/x', true],
    ['hooks.slack.com', 'http://hooks.slack.com/x', true],
    ['a.test, b.test:81 ,c.test', 'http://b.test:81/x', true],
    ['a.test, b.test:81 ,c.test', 'http://c.test/x', true],
    ['a.test, b.test:81 ,c.test', 'http://b.test/x', false],
  ] as const)('%s: may %s be posted to? %s', ([hosts, url, expected]) => {
    expect(mayPostTo(hosts)(url)).toBe(expected)
  })

  it("never takes Slack's own away", () => {
    expect(mayPostTo('a.test')('https://hooks.slack.com/x')).toBe(true)
  })

  it.for([
    'http://a.test',
    'a.test/',
    'a.test/x',
    'a test',
    'user@a.test',
    'a.test:',
    'a.test:0',
    'a.test:080',
    'a.test:65536',
    'a.test:x',
    ':80',
    'a..test',
    '.test',
    'a.test.',
    '*.test',
    '*',
    '127.1',
    '1',
    '256.0.0.1',
    '::1',
    '[::1',
    '[0:0::1]',
    '[:::]',
    'ünï.test',
    'a%2etest',
  ])('is faulty with %j', (entry) => {
    expect(faults(`ok.test,${entry}`)).toEqual(['SLACK_RESPONSE_HOSTS entry 2 is neither host nor host:port'])
  })

  it('names every faulty entry', () => {
    expect(faults('a.test,,b.test, ')).toEqual([
      'SLACK_RESPONSE_HOSTS entry 2 is neither host nor host:port',
      'SLACK_RESPONSE_HOSTS entry 4 is neither host nor host:port',
    ])
  })
})
