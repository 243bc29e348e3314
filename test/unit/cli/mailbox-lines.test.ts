import { describe, expect, it } from 'vitest'
import { deadLetterLines, mailboxLines } from '../../../src/cli/mailbox-lines.ts'
import type { DeadLetter, MailboxListing } from '../../../src/spool/spool.ts'

const NOW = 1_700_000_000_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

const mailbox: MailboxListing = {
  id: 7,
  address: { kind: 'region', provider: 'slack', integration: '1', region: 'eu' },
  paused: undefined,
  isEmpty: false,
  retryAt: 0,
  depth: 12,
  bytes: 34_816,
  oldestAt: NOW - 3 * MINUTE,
  headAttempts: 4,
  deadLetters: 2,
}
const empty = { isEmpty: true, depth: 0, bytes: 0, oldestAt: undefined, headAttempts: 0 }

/** One mailbox's cells, by heading. */
function cellsOf(changes: Partial<MailboxListing>): Record<string, string> {
  const [headings = '', line = ''] = mailboxLines([{ ...mailbox, ...changes }], NOW)
  const cells = (text: string) => text.split(/ {2,}/)
  return Object.fromEntries(cells(headings).map((heading, index) => [heading, cells(line)[index] ?? '']))
}

describe('the lines of mailboxes', () => {
  it('stand in columns', () => {
    const unresolved = { kind: 'unresolved', provider: 'slack', installation: 'T0ACME00001' } as const
    expect(
      mailboxLines([mailbox, { ...mailbox, ...empty, id: 10, address: unresolved, paused: 'maintenance' }], NOW),
    ).toEqual([
      'MAILBOX  PROVIDER  INTEGRATION  REGION                  WAITING  SIZE      OLDEST  STATE                DEAD LETTERS',
      '7        slack     1            eu                      12       34.0 KiB  3 min   waiting              2',
      '10       slack     -            unresolved T0ACME00001  0        0 B       -       paused: maintenance  2',
    ])
  })

  it.each([
    ['waiting', { retryAt: NOW }],
    ['retry in 12 s', { retryAt: NOW + 12_000 }],
    ['retry in 5 min', { retryAt: NOW + 48 * HOUR }],
    ['paused: ten refusals in a row', { paused: 'ten refusals in a row', retryAt: NOW + 12_000 }],
    ['empty', { ...empty, retryAt: 0 }],
  ])('say that it is %s', (state, changes) => {
    expect(cellsOf(changes)['STATE']).toBe(state)
  })

  it.each([
    ['0 s', -5000],
    ['1 s', 900],
    ['119 s', 2 * MINUTE - 1000],
    ['2 min', 2 * MINUTE],
    ['119 min', 119 * MINUTE],
    ['23 h', 23 * HOUR],
    ['3 d', 72 * HOUR],
  ])('give an age as %s', (text, age) => {
    expect(cellsOf({ oldestAt: NOW - age })['OLDEST']).toBe(text)
  })

  it.each([
    ['1023 B', 1023],
    ['1.0 KiB', 1024],
    ['1.5 MiB', 1_572_864],
  ])('give a size as %s', (text, bytes) => {
    expect(cellsOf({ bytes })['SIZE']).toBe(text)
  })

  it('stay one line a mailbox, whatever a reason holds', () => {
    const lines = mailboxLines([{ ...mailbox, paused: 'two\nlines \u001B[31mred' }], NOW)
    expect(lines).toHaveLength(2)
    expect(lines[1]).toContain('paused: two lines  [31mred')
  })
})

it('the lines of dead letters say whose they were, why they died and when', () => {
  const letter: DeadLetter = {
    id: 3,
    mailbox: 7,
    address: mailbox.address,
    delivery: '01HF7YAT00ABCDEFGHJKMNPQRS',
    reason: 'http_400',
    attempts: 1,
    receivedAt: NOW - 4 * HOUR,
    diedAt: NOW - 3 * HOUR,
  }
  expect(deadLetterLines([letter], NOW)).toEqual([
    'ID  MAILBOX  PROVIDER  INTEGRATION  REGION  REASON    ATTEMPTS  DIED     DELIVERY',
    '3   7        slack     1            eu      http_400  1         3 h ago  01HF7YAT00ABCDEFGHJKMNPQRS',
  ])
})
