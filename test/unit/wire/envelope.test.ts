import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { envelopeHeaders, readEnvelope, type Envelope } from '../../../src/wire/envelope.ts'

const envelope: Envelope = {
  delivery: '01JABCDEFGHJKMNPQRSTVWXYZ0',
  region: 'eu',
  integration: '1',
  organizations: ['10', '11'],
  epochs: [
    ['10', 0],
    ['11', 2],
  ],
  attempt: 2,
  deadlineMs: 2400,
  receivedAt: 1_800_000_000_000,
}

function headersOf(given: Partial<Envelope> = {}): Map<string, string> {
  const list = envelopeHeaders({ ...envelope, ...given })
  return new Map(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1]!] as const] : [])))
}

function readBack(given: Partial<Envelope>) {
  const headers = new Map([...headersOf(given)].map(([name, value]) => [name.toLowerCase(), value]))
  return readEnvelope((name) => headers.get(name))
}

describe('the Silo headers', () => {
  it('say what a region is told', () => {
    expect(Object.fromEntries(headersOf())).toEqual({
      'silo-delivery': '01JABCDEFGHJKMNPQRSTVWXYZ0',
      'silo-region': 'eu',
      'silo-integration': '1',
      'silo-organizations': '10,11',
      'silo-epoch': '10=0, 11=2',
      'silo-attempt': '2',
      'silo-deadline': '2400',
      'silo-received-at': '1800000000000',
    })
  })

  it('give times in whole milliseconds, and never a deadline before now', () => {
    expect(headersOf({ deadlineMs: 99.9 }).get('silo-deadline')).toBe('99')
    expect(headersOf({ deadlineMs: -3 }).get('silo-deadline')).toBe('0')
    expect(headersOf({ receivedAt: 12.5 }).get('silo-received-at')).toBe('12')
  })

  it('name organizations up to 4 KiB and say * above', () => {
    const fitting = ['1'.repeat(2047), '2'.repeat(2048)]
    expect(headersOf({ organizations: fitting }).get('silo-organizations')).toBe(fitting.join(','))
    expect(headersOf({ organizations: [...fitting, '3'] }).get('silo-organizations')).toBe('*')
  })

  it('say * for the epochs where they are above 4 KiB or the organizations are *', () => {
    const long = '1'.repeat(4095)
    expect(headersOf({ organizations: [long], epochs: [[long, 0]] }).get('silo-epoch')).toBe('*')
    expect(headersOf({ organizations: [long], epochs: [[long, 0]] }).get('silo-organizations')).toBe(long)
    expect(headersOf({ organizations: [long, '2'], epochs: [['2', 0]] }).get('silo-epoch')).toBe('*')
  })

  it('read back as they were written', () => {
    const whole = fc.integer({ min: 0, max: 999_999_999_999_999 })
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9-]*$/)
    fc.assert(
      fc.property(
        fc.record({
          delivery: name,
          region: name,
          integration: name,
          organizations: fc.array(fc.bigInt({ min: 1n, max: 2n ** 64n }).map(String), { maxLength: 50 }),
          attempt: whole,
          deadlineMs: whole,
          receivedAt: whole,
        }),
        (given) => {
          expect(readBack(given)).toEqual(given)
        },
      ),
    )
  })

  it('read back with white space that an intermediary has put between organizations', () => {
    const headers = new Map([...headersOf()].map(([name, value]) => [name.toLowerCase(), value]))
    headers.set('silo-organizations', '10, 11')
    expect(readEnvelope((name) => headers.get(name))?.organizations).toEqual(['10', '11'])
  })

  it('read back with no organization, and with too many to name', () => {
    expect(readBack({ organizations: [] })?.organizations).toEqual([])
    expect(readBack({ organizations: ['1'.repeat(5000)] })?.organizations).toBe('*')
  })

  it.each([...headersOf().keys()].filter((name) => name !== 'silo-epoch'))('do not read back without %s', (missing) => {
    const headers = new Map([...headersOf()].map(([name, value]) => [name.toLowerCase(), value]))
    headers.delete(missing.toLowerCase())
    expect(readEnvelope((name) => headers.get(name))).toBeUndefined()
  })
})
