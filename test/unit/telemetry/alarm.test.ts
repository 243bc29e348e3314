import { describe, expect, it } from 'vitest'
import { createAlarms } from '../../../src/telemetry/alarm.ts'
import { createManualClock } from '../../support/manual-clock.ts'

function setUp() {
  const clock = createManualClock()
  const lines: unknown[] = []
  const write =
    (level: string) =>
    (fields: Record<string, unknown>, message: string): void =>
      void lines.push([level, message, fields])
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  return { clock, lines, alarms: createAlarms({ clock, log }) }
}

describe('an alarm', () => {
  it('is logged at its level, with its fields', () => {
    const { alarms, lines } = setUp()
    alarms.raise('warn', 'skew', { seconds: 301 }, 'Late')
    alarms.raise('error', 'region eu', { region: 'eu' }, 'Unknown')
    expect(lines).toEqual([
      ['warn', 'Late', { seconds: 301, leftOut: 0 }],
      ['error', 'Unknown', { region: 'eu', leftOut: 0 }],
    ])
  })

  it('is logged once in ten seconds, then with how many were left out', () => {
    const { alarms, clock, lines } = setUp()
    for (let at = 0; at < 5; at++) alarms.raise('warn', 'skew', { at }, 'Late')
    clock.advance(9999)
    alarms.raise('warn', 'skew', { at: 5 }, 'Late')
    expect(lines).toHaveLength(1)
    clock.advance(1)
    alarms.raise('warn', 'skew', { at: 6 }, 'Late')
    clock.advance(10_000)
    alarms.raise('warn', 'skew', { at: 7 }, 'Late')
    expect(lines.slice(1)).toEqual([
      ['warn', 'Late', { at: 6, leftOut: 5 }],
      ['warn', 'Late', { at: 7, leftOut: 0 }],
    ])
  })

  it('does not silence another key', () => {
    const { alarms, lines } = setUp()
    alarms.raise('warn', 'a', {}, 'Same')
    alarms.raise('warn', 'b', {}, 'Same')
    expect(lines).toHaveLength(2)
  })

  it('remembers the 1000 keys that spoke last', () => {
    const { alarms, clock, lines } = setUp()
    for (let at = 0; at < 1000; at++) alarms.raise('warn', `key ${at}`, {}, 'Full')
    clock.advance(10_000)
    alarms.raise('warn', 'key 0', {}, 'Again')
    alarms.raise('warn', 'one more', {}, 'More')
    lines.length = 0
    alarms.raise('warn', 'key 0', {}, 'Still known')
    alarms.raise('warn', 'one more', {}, 'Still known')
    expect(lines).toEqual([])
    clock.advance(10_000)
    alarms.raise('warn', 'key 0', {}, 'Known')
    expect(lines).toEqual([['warn', 'Known', { leftOut: 1 }]])
  })

  it('of a key that made room is logged again', () => {
    const { alarms, lines } = setUp()
    for (let at = 0; at <= 1000; at++) alarms.raise('warn', `key ${at}`, {}, 'Full')
    lines.length = 0
    alarms.raise('warn', 'key 1', {}, 'Known')
    alarms.raise('warn', 'key 0', {}, 'Forgotten')
    expect(lines).toEqual([['warn', 'Forgotten', { leftOut: 0 }]])
  })
})
