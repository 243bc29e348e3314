import { describe, expect, it } from 'vitest'
import { isLateOnly, isPending, judge, SLACK_MS, type Excuses, type Row } from './judge.ts'
import { openLedger, type Execution, type Heard, type Ledger, type Sent } from './ledger.ts'
import type { Surface } from './surfaces.ts'
import { hurtTeams, movingTeams, neighbour, teamEverywhere } from './teams.ts'

const team = hurtTeams[0]!
const accepted: Heard = { status: 200, body: '' }
const refused: Heard = { status: 503, body: '{"code":"silo_client_error"}' }
const late: Heard = { status: 200, body: '' }

let now = 0

function send(ledger: Ledger, surface: Surface, heard: Heard | undefined, { to = team, tookMs = 1 } = {}): Sent {
  const sent: Sent = { mark: ledger.nextMark(), surface, team: to, tries: [] }
  ledger.sent.set(sent.mark, sent)
  again(sent, heard, tookMs)
  return sent
}

function again(sent: Sent, heard: Heard | undefined, tookMs = 1): void {
  const startedAt = ++now
  now += tookMs
  sent.tries.push({ startedAt, endedAt: now, heard })
}

function reach(ledger: Ledger, { mark }: Sent, more: Partial<Execution> = {}): void {
  const execution = { mark, region: 'hurt', deferred: false, signed: true, reachedAt: now } as const
  ledger.executions.push({ ...execution, takenAt: undefined, ...more })
}

function take(ledger: Ledger, sent: Sent, more: Partial<Execution> = {}): void {
  reach(ledger, sent, { takenAt: ++now, ...more })
}

function post(ledger: Ledger, { mark }: Sent, { body = `{"text":"taken: ${mark}"}`, refused = false } = {}): void {
  ledger.messages.push({ mark, body, refused })
}

/** A click whose answer names it, as the region's answer does. */
function sendAnswered(ledger: Ledger, surface: Surface): Sent {
  const sent = send(ledger, surface, undefined)
  const [first] = sent.tries.splice(0)
  sent.tries.push({ ...first!, heard: { status: 200, body: `{"text":"taken: ${sent.mark}"}` } })
  return sent
}

function judged(ledger: Ledger, excuses?: Excuses): { row: Row; failures: readonly string[] } {
  const { rows, failures } = judge(ledger, excuses ?? {})
  return { row: rows[0]!, failures }
}

describe('an event', () => {
  it('that was accepted and that its region took is as it should be', () => {
    const ledger = openLedger()
    take(ledger, send(ledger, 'event', accepted))
    expect(judged(ledger)).toMatchObject({ row: { sent: 1, inTime: 1, once: 1 }, failures: [] })
  })

  it('that was accepted and that no region took is lost', () => {
    const ledger = openLedger()
    reach(ledger, send(ledger, 'event', accepted))
    expect(isPending(ledger, {})).toBe(true)
    expect(judged(ledger)).toMatchObject({ row: { lost: 1 }, failures: ['event: 1 lost'] })
  })

  it('that concerns two regions is lost if one of them has not taken it', () => {
    const ledger = openLedger()
    take(ledger, send(ledger, 'event', accepted, { to: teamEverywhere }))
    expect(judged(ledger).failures).toEqual(['event: 1 lost'])
  })

  it('that was refused is nobody’s to deliver', () => {
    const ledger = openLedger()
    send(ledger, 'event', refused)
    expect(judged(ledger)).toMatchObject({ row: { toldNo: 1, lost: 0 }, failures: [] })
  })

  it('that was taken twice for no reason is a failure', () => {
    const ledger = openLedger()
    const sent = send(ledger, 'event', accepted)
    take(ledger, sent)
    take(ledger, sent)
    expect(judged(ledger)).toMatchObject({ row: { more: 1, once: 0 }, failures: ['event: 1 more than once'] })
  })

  it.each([
    { why: 'the gateway was killed', excuses: { mayRepeat: true }, tries: [accepted] },
    { why: 'it was refused at first and sent again', excuses: {}, tries: [refused, accepted] },
  ])('that was taken twice is told of, and excused where $why', ({ excuses, tries }) => {
    const ledger = openLedger()
    const sent = send(ledger, 'event', tries[0])
    for (const heard of tries.slice(1)) again(sent, heard)
    take(ledger, sent)
    take(ledger, sent)
    expect(judged(ledger, excuses)).toMatchObject({ row: { more: 1 }, failures: [] })
  })

  it('that was answered after Slack has turned away is late', () => {
    const ledger = openLedger()
    take(ledger, send(ledger, 'event', accepted, { tookMs: SLACK_MS + 1 }))
    const { row, failures } = judged(ledger)
    expect(row).toMatchObject({ inTime: 0, late: 1, slowestMs: SLACK_MS + 1 })
    expect(failures).toEqual([`event: 1 answered later than ${SLACK_MS} ms, the slowest after ${SLACK_MS + 1}`])
  })

  it('that is late is in doubt as long as nothing else is wrong', () => {
    const ledger = openLedger()
    take(ledger, send(ledger, 'event', accepted))
    expect(isLateOnly(judge(ledger, {}))).toBe(false)
    take(ledger, send(ledger, 'event', accepted, { tookMs: SLACK_MS + 1 }))
    expect(isLateOnly(judge(ledger, {}))).toBe(true)
    reach(ledger, send(ledger, 'event', accepted))
    expect(isLateOnly(judge(ledger, {}))).toBe(false)
  })

  it('that got no answer at all is a failure, unless the gateway was going away', () => {
    const ledger = openLedger()
    send(ledger, 'event', undefined)
    expect(judged(ledger).failures).toEqual(['event: 1 got no answer at all'])
    expect(judged(ledger, { mayHangUp: true }).failures).toEqual([])
  })

  it('that got none since their connection broke are told with what broke it', () => {
    const ledger = openLedger()
    const [at, heard] = [++now, undefined]
    const tries = ['read ECONNRESET', 'socket hang up'].map((brokeBy) => ({
      startedAt: at,
      endedAt: at,
      heard,
      brokeBy,
    }))
    ledger.sent.set('1', { mark: '1', surface: 'event', team, tries })
    expect(judged(ledger).failures).toEqual(['event: 1 got no answer at all: read ECONNRESET: socket hang up'])
  })
})

describe('the order of a mailbox', () => {
  it('is broken by an event that is taken before an earlier one that waited', () => {
    const ledger = openLedger()
    const [first, second] = [send(ledger, 'event', accepted), send(ledger, 'event', accepted)]
    take(ledger, second, { deferred: true })
    take(ledger, first, { deferred: true })
    expect(judged(ledger)).toMatchObject({ row: { outOfOrder: 1 }, failures: ['event: 1 out of order'] })
  })

  it('is broken by one that goes past what waits', () => {
    const ledger = openLedger()
    const [first, second] = [send(ledger, 'event', accepted), send(ledger, 'event', accepted)]
    take(ledger, second)
    take(ledger, first, { deferred: true })
    expect(judged(ledger).failures).toEqual(['event: 1 out of order'])
  })

  it('may be unknown to another gateway for a moment, but not to the store', () => {
    const ledger = openLedger()
    const [first, second, third] = [1, 2, 3].map(() => send(ledger, 'event', accepted))
    take(ledger, second!)
    take(ledger, first!, { deferred: true })
    expect(judged(ledger, { othersKnowWithinMs: 1000 }).row.outOfOrder).toBe(0)
    third!.tries[0] = { ...third!.tries[0]!, startedAt: now + 2000 }
    take(ledger, third!, { takenAt: now - 1 })
    expect(judged(ledger, { othersKnowWithinMs: 1000 }).row.outOfOrder).toBe(1)
    expect(judged(ledger).row.outOfOrder).toBe(2)
  })

  it('is kept by the store, whoever asks it', () => {
    const ledger = openLedger()
    const [first, second] = [send(ledger, 'event', accepted), send(ledger, 'event', accepted)]
    take(ledger, second, { deferred: true })
    take(ledger, first, { deferred: true })
    expect(judged(ledger, { othersKnowWithinMs: 1000 }).row.outOfOrder).toBe(1)
  })

  it('is kept by one that comes again after a later one', () => {
    const ledger = openLedger()
    const [first, second] = [send(ledger, 'event', accepted), send(ledger, 'event', accepted)]
    for (const sent of [first, second, first]) take(ledger, sent, { deferred: true })
    expect(judged(ledger, { mayRepeat: true }).failures).toEqual([])
  })

  it('says nothing of events that were on their way together', () => {
    const ledger = openLedger()
    const [first, second] = [send(ledger, 'event', accepted), send(ledger, 'event', refused)]
    first.tries[0] = { ...first.tries[0]!, endedAt: ++now }
    again(second, accepted)
    take(ledger, second, { deferred: true })
    take(ledger, first, { deferred: true })
    expect(judged(ledger).row.outOfOrder).toBe(0)
  })

  it('need not be known elsewhere while gateways cannot tell each other, nor for a while after', () => {
    const excuses = { othersKnowWithinMs: 5 }
    const ledger = openLedger()
    const earlier = send(ledger, 'event', accepted)
    const from = ++now
    now += 20
    ledger.silences.push({ from, until: now })
    take(ledger, send(ledger, 'event', accepted))
    now += 5
    take(ledger, send(ledger, 'event', accepted))
    take(ledger, earlier, { deferred: true })
    expect(judged(ledger, excuses).row.outOfOrder).toBe(1)
    ledger.silences.length = 0
    expect(judged(ledger, excuses).row.outOfOrder).toBe(2)
  })

  it('is known elsewhere where it was long before gateways could not tell each other, unless it was just moving', () => {
    const excuses = { othersKnowWithinMs: 5 }
    const ledger = openLedger()
    const earlier = send(ledger, 'event', accepted)
    now += 10
    const from = ++now
    now += 20
    ledger.silences.push({ from, until: now })
    take(ledger, send(ledger, 'event', accepted))
    take(ledger, earlier, { deferred: true })
    expect(judged(ledger, excuses).row.outOfOrder).toBe(1)
    ledger.silences.push({ from, until: now, team: hurtTeams[1]! })
    expect(judged(ledger, excuses).row.outOfOrder).toBe(1)
    ledger.silences.push({ from, until: now, team })
    expect(judged(ledger, excuses).row.outOfOrder).toBe(0)
  })

  it('is kept from one region to the next by an organization that moves', () => {
    const ledger = openLedger()
    const to = movingTeams[0]!
    const [first, second] = [send(ledger, 'event', accepted, { to }), send(ledger, 'event', accepted, { to })]
    take(ledger, first, { deferred: true })
    take(ledger, second, { deferred: true, region: 'well' })
    expect(judged(ledger)).toMatchObject({ row: { once: 2, outOfOrder: 0 } })
    const third = send(ledger, 'event', accepted, { to })
    take(ledger, send(ledger, 'event', accepted, { to }), { region: 'well' })
    take(ledger, third, { deferred: true })
    expect(judged(ledger).row.outOfOrder).toBe(1)
  })

  it('is each mailbox’s own', () => {
    const ledger = openLedger()
    const first = send(ledger, 'event', accepted)
    const second = send(ledger, 'event', accepted, { to: hurtTeams[1]! })
    take(ledger, second, { deferred: true })
    take(ledger, first, { deferred: true })
    expect(judged(ledger).failures).toEqual([])
  })
})

describe('whoever clicks', () => {
  it('and gets the region’s answer is served', () => {
    const ledger = openLedger()
    take(ledger, sendAnswered(ledger, 'view'))
    expect(judged(ledger)).toMatchObject({ row: { once: 1 }, failures: [] })
  })

  it.each([refused, { status: 429, body: '' }, { status: 200, body: '{"text":"Please try again"}' }])(
    'and gets an error can try again: $status $body',
    (heard) => {
      const ledger = openLedger()
      send(ledger, 'command', heard)
      expect(judged(ledger)).toMatchObject({ row: { toldNo: 1 }, failures: [] })
    },
  )

  it('and gets an empty answer and a message is served', () => {
    const ledger = openLedger()
    const sent = send(ledger, 'command', late)
    take(ledger, sent)
    expect(isPending(ledger, {})).toBe(true)
    post(ledger, sent, { refused: true })
    post(ledger, sent)
    expect(isPending(ledger, {})).toBe(false)
    expect(judged(ledger)).toMatchObject({ row: { once: 1 }, failures: [] })
  })

  it('and gets an empty answer and nothing else is left alone', () => {
    const ledger = openLedger()
    take(ledger, send(ledger, 'action, response_url', late))
    expect(judged(ledger).failures).toEqual(['action, response_url: 1 lost'])
  })

  it('and gets two messages, or an answer and a message, is told twice', () => {
    const ledger = openLedger()
    const [sent, other] = [send(ledger, 'command', late), sendAnswered(ledger, 'command')]
    for (const one of [sent, sent, other]) post(ledger, one)
    expect(judged(ledger).failures).toEqual(['command: 2 more than once'])
  })

  it('has it done once: a region that is asked twice is a failure, unless it wants to be', () => {
    const ledger = openLedger()
    const sent = sendAnswered(ledger, 'command')
    reach(ledger, sent)
    take(ledger, sent)
    expect(judged(ledger).failures).toEqual(['command: 1 more than once'])
    expect(judged(ledger, { idempotent: true }).failures).toEqual([])
  })

  it('while the gateway is killed may get nothing but a broken connection', () => {
    const ledger = openLedger()
    send(ledger, 'action', undefined)
    expect(judged(ledger, { mayHangUp: true })).toMatchObject({ row: { toldNo: 1, hungUp: 1 }, failures: [] })
    expect(judged(ledger).failures).toEqual(['action: 1 lost', 'action: 1 got no answer at all'])
  })

  it('may get nothing where the gateway was killed while it posted and says so', () => {
    const ledger = openLedger()
    send(ledger, 'command', { ...late, requestId: 'the request' })
    ledger.unknownPosts.add('the request')
    expect(judged(ledger, { mayHangUp: true })).toMatchObject({ row: { toldNo: 1 }, failures: [] })
  })

  it('next door has to be served whatever is broken', () => {
    const ledger = openLedger()
    send(ledger, 'command', refused, { to: neighbour })
    expect(judged(ledger).failures).toEqual(['command, neighbour: 1 told no, though their region is well'])
  })
})

it('takes a request whose signature is not good any more for a failure, unless the clock is wrong', () => {
  const ledger = openLedger()
  take(ledger, send(ledger, 'event', accepted), { signed: false })
  const failure = expect.stringMatching(/^1 requests reached a region without a signature/)
  expect(judged(ledger).failures).toEqual([failure])
  expect(judged(ledger, { clockIsWrong: true }).failures).toEqual([])
})
