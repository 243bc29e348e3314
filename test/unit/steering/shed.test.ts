import { describe, expect, it } from 'vitest'
import { shedByIntegration, shedByProvider, shedRules } from '../../../src/steering/shed.ts'

const ok = { provider: 'acme', answer: 'ok' }
const later = { provider: 'acme', answer: 'too_many_requests' }

describe('a list of shed rules', () => {
  it.each([
    ['no rules', [], []],
    ['one for a provider', [ok], [ok]],
    ['one for an integration, by its number', [{ ...ok, integration_id: 7 }], [{ ...ok, integration_id: '7' }]],
    [
      'one by its digits',
      [{ ...ok, integration_id: '9007199254740993' }],
      [{ ...ok, integration_id: '9007199254740993' }],
    ],
    ['a refusal, for a minute where nothing is said', [later], [{ ...later, retry_after_seconds: 60 }]],
    [
      'a refusal for as long as is said',
      [{ ...later, retry_after_seconds: 5 }],
      [{ ...later, retry_after_seconds: 5 }],
    ],
  ])('takes %s', (_what, given, taken) => {
    expect(shedRules.parse(given)).toEqual(taken)
  })

  it.each([
    ['an unknown key', [{ ...ok, surface: 'command' }]],
    ['a wait that would not be told', [{ ...ok, retry_after_seconds: 5 }]],
    ['another answer', [{ ...ok, answer: 'no' }]],
    ['no provider', [{ answer: 'ok' }]],
    ['an id that no row has', [{ ...ok, integration_id: '0' }]],
    ['a number that JSON has rounded', [{ ...ok, integration_id: 2 ** 53 }]],
    ['no wait at all', [{ ...later, retry_after_seconds: 0 }]],
    ['two rules for one provider', [ok, later]],
    [
      'two rules for one integration',
      [
        { ...ok, integration_id: 7 },
        { ...later, integration_id: '07' },
      ],
    ],
  ])('does not take %s', (_what, given) => {
    expect(shedRules.safeParse(given).success).toBe(false)
  })
})

describe('the rule that applies', () => {
  const rules = shedRules.parse([{ ...later, integration_id: 7 }, ok])

  it('to a provider is the one that names no integration', () => {
    expect(shedByProvider(rules, 'acme')).toEqual(ok)
    expect(shedByProvider(rules, 'other')).toBeUndefined()
  })

  it('to an integration is its own', () => {
    expect(shedByIntegration(rules, { provider: 'acme', id: '7' })).toMatchObject({ integration_id: '7' })
    expect(shedByIntegration(rules, { provider: 'acme', id: '8' })).toBeUndefined()
    expect(shedByIntegration(rules, { provider: 'other', id: '7' })).toBeUndefined()
  })
})
