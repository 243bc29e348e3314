import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { answerInTime } from '../../../src/delivery/answer-in-time.ts'
import type { LateAnswers } from '../../../src/delivery/late-answers.ts'
import type { LateCase } from '../../../src/delivery/late-case.ts'
import type { Outcome, RegionResult } from '../../../src/dispatch/region-result.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { keptWebhook } from './kept-webhook.ts'

const BUDGET_MS = 2500
const what: LateCase = {
  provider: 'slack',
  integration: '1',
  to: 'https://hooks.example.com/1',
  regions: [{ name: 'eu', organizations: [] }],
  kept: keptWebhook,
}
const timing = { startedMs: 0, endedMs: 1 }
const region = { name: 'eu', region: undefined, organizations: [] }
const won: Outcome = {
  kind: 'won',
  winner: { kind: 'answered', region: 'eu', timing, reply: { status: 200, rawHeaders: [], body: Buffer.from('done') } },
}
const lost: Outcome & { kind: 'lost' } = {
  kind: 'lost',
  results: [{ kind: 'failed', reason: 'http_500', sent: true, rawHeaders: [], region: 'eu', timing }],
}
const timedOut: Outcome & { kind: 'lost' } = {
  kind: 'lost',
  results: [{ kind: 'timed_out', sent: false, region: 'eu', timing }],
}

const refusedByOne: Outcome & { kind: 'won' } = {
  kind: 'won',
  winner: { kind: 'answered', region: 'us', timing, reply: { status: 404, rawHeaders: [], body: Buffer.from('no') } },
}

/** A webhook under way, with a store that does what it is told when it is told. */
function begin(failure: 'respond' | 'post' = 'post') {
  const clock = createManualClock()
  const steps: string[] = []
  const outcome = Promise.withResolvers<Outcome>()
  const owing = Promise.withResolvers<void>()
  const takenBack = Promise.withResolvers<void>()
  const late: LateAnswers = {
    owe() {
      steps.push('owe')
      return owing.promise
    },
    forgive() {
      steps.push('take back')
      return takenBack.promise
    },
    follow() {
      steps.push('follow')
      return Promise.resolve()
    },
    tell: () => Promise.resolve(),
    takeOver: () => Promise.resolve(),
    owed: () => 0,
    stop: () => Promise.resolve(),
  }
  const calls = [{ region, result: new Promise<RegionResult>(() => {}) }]
  const settled = Promise.withResolvers<RegionResult[]>()
  const dispatched = { calls, outcome: outcome.promise, settled: settled.promise }
  const times = { startedAt: clock.monotonic(), deadline: clock.monotonic() + BUDGET_MS }
  let goesOn = (): boolean => true
  const ask = (asked: () => boolean) => {
    goesOn = asked
    return dispatched
  }
  answerInTime(what, ask, { ...times, failure }, { late, clock }).then(
    ({ inTime }) => steps.push(inTime.kind),
    () => steps.push('rejected'),
  )
  return {
    steps,
    pending: () => clock.pending(),
    /** What a call that is still running is told at the deadline. */
    goesOn: () => goesOn(),
    async at(
      ms: number,
      happens:
        | 'won'
        | 'lost'
        | 'timed out'
        | 'refused by one'
        | 'fault'
        | 'written'
        | 'not written'
        | 'taken back'
        | 'nothing',
      /** What the other region has come to, where one has refused it. */
      other: Outcome & { kind: 'lost' } = timedOut,
    ) {
      clock.advance(ms - clock.monotonic())
      await nextTurn()
      if (happens === 'won') outcome.resolve(won)
      if (happens === 'lost') outcome.resolve(lost)
      if (happens === 'timed out') outcome.resolve(timedOut)
      if (happens === 'refused by one') {
        outcome.resolve(refusedByOne)
        settled.resolve([refusedByOne.winner, ...other.results])
      }
      if (happens === 'fault') outcome.reject(new TypeError('a fault'))
      if (happens === 'written') owing.resolve()
      if (happens === 'not written') owing.reject(new Error('no disk'))
      if (happens === 'taken back') takenBack.resolve()
      await nextTurn()
    },
  }
}

describe('an answer that comes while it is being written down that one is owed', () => {
  it.each([
    { what: 'it', comes: 'won', failure: 'post' },
    { what: 'a failure, where that is told in the response,', comes: 'lost', failure: 'respond' },
  ] as const)('$what is told once nobody can find any more that one was owed', async ({ comes, failure }) => {
    const webhook = begin(failure)
    await webhook.at(2450, comes)
    await webhook.at(2460, 'written')
    expect(webhook.steps).toEqual(['owe', 'take back'])
    await webhook.at(2470, 'taken back')
    expect(webhook.steps).toEqual(['owe', 'take back', 'decided'])
    expect(webhook.pending()).toBe(0)
  })

  it('is the last for which anybody is asked beyond the deadline: what is still under way ends there', async () => {
    const webhook = begin()
    await webhook.at(2450, 'won')
    await webhook.at(2460, 'written')
    await webhook.at(2470, 'taken back')
    expect(webhook.goesOn()).toBe(false)
  })

  it('is given at the deadline where the store does not take it back by then', async () => {
    const webhook = begin()
    await webhook.at(2450, 'won')
    await webhook.at(2460, 'written')
    await webhook.at(BUDGET_MS, 'nothing')
    expect(webhook.steps).toEqual(['owe', 'take back', 'decided'])
  })

  it('is given at once where it could not be written down', async () => {
    const webhook = begin()
    await webhook.at(2450, 'won')
    await webhook.at(2460, 'not written')
    expect(webhook.steps).toEqual(['owe', 'decided'])
  })
})

describe('a failure that comes while it is being written down that an answer is owed', () => {
  it('is told by the answer that is owed where it goes there anyway, not by another one', async () => {
    const webhook = begin()
    await webhook.at(2450, 'lost')
    await webhook.at(2460, 'written')
    expect(webhook.steps).toEqual(['owe', 'follow', 'late'])
  })

  it('is told in the same way when both come with the deadline', async () => {
    const webhook = begin()
    await webhook.at(BUDGET_MS, 'lost')
    expect(webhook.steps).toEqual(['owe'])
    await webhook.at(BUDGET_MS + 1, 'written')
    expect(webhook.steps).toEqual(['owe', 'follow', 'late'])
  })

  it('is told at once where nothing could be promised', async () => {
    const webhook = begin()
    await webhook.at(2450, 'lost')
    await webhook.at(2460, 'not written')
    expect(webhook.steps).toEqual(['owe', 'decided'])
  })
})

describe('a fault of our own', () => {
  it('rejects, and nothing is promised any more', async () => {
    const webhook = begin()
    await webhook.at(1000, 'fault')
    expect(webhook.steps).toEqual(['rejected'])
    expect(webhook.pending()).toBe(0)
    await webhook.at(BUDGET_MS, 'nothing')
    expect(webhook.steps).toEqual(['rejected'])
  })

  it('while it is being written down that an answer is owed, is told by that one', async () => {
    const webhook = begin()
    await webhook.at(2450, 'fault')
    expect(webhook.steps).toEqual(['owe'])
    await webhook.at(2460, 'written')
    expect(webhook.steps).toEqual(['owe', 'follow', 'late'])
    expect(webhook.pending()).toBe(0)
  })

  it('rejects where that could not be written down', async () => {
    const webhook = begin()
    await webhook.at(2450, 'fault')
    await webhook.at(2460, 'not written')
    expect(webhook.steps).toEqual(['owe', 'rejected'])
    expect(webhook.pending()).toBe(0)
  })
})

describe('an answer that is late', () => {
  it('is owed even where the disk takes nearly half a second', async () => {
    const webhook = begin()
    await webhook.at(2000, 'nothing')
    expect(webhook.steps).toEqual(['owe'])
    await webhook.at(2499, 'written')
    await webhook.at(BUDGET_MS, 'timed out')
    expect(webhook.steps).toEqual(['owe', 'follow', 'late'])
  })

  // Timers of one moment run one after the other, with promises in between.
  it.each(['respond', 'post'] as const)(
    'is owed also where the calls hear of the deadline first, if a failure is to %s',
    async (failure) => {
      const webhook = begin(failure)
      await webhook.at(2000, 'written')
      await webhook.at(BUDGET_MS - 1, 'timed out')
      expect(webhook.steps).toEqual(['owe', 'follow', 'late'])
      expect(webhook.pending()).toBe(0)
    },
  )

  it('is owed also where one region has refused it, and another is not done by the deadline', async () => {
    const webhook = begin()
    await webhook.at(2000, 'written')
    await webhook.at(BUDGET_MS - 1, 'refused by one')
    expect(webhook.steps).toEqual(['owe', 'follow', 'late'])
  })

  it('is none where one region has refused it, and all others have failed', async () => {
    const webhook = begin()
    await webhook.at(2000, 'written')
    await webhook.at(2450, 'refused by one', lost)
    await webhook.at(2460, 'taken back')
    expect(webhook.steps).toEqual(['owe', 'take back', 'decided'])
  })

  it('is told as a failure, in the response, where nothing could be promised', async () => {
    const webhook = begin('respond')
    await webhook.at(2000, 'not written')
    await webhook.at(BUDGET_MS - 1, 'timed out')
    expect(webhook.steps).toEqual(['owe', 'decided'])
  })
})
