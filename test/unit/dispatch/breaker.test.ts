import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBreaker, type Pass, type Verdict } from '../../../src/dispatch/breaker.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const standard = { failureRate: 0.5, minimumCalls: 4, windowMs: 1000, openMs: 500 }

function breakerWith(limits: Partial<typeof standard> = {}) {
  const clock = createManualClock()
  const watcher = { wantsProbe: false }
  const breaker = createBreaker(
    { ...standard, ...limits },
    { now: () => clock.monotonic(), wantsProbe: () => watcher.wantsProbe },
  )
  const admitted = (priority: Parameters<typeof breaker.admit>[0] = 'interactive'): Pass => {
    const pass = breaker.admit(priority)
    if (pass === undefined) throw new Error('Nothing was admitted')
    return pass
  }
  const run = (...verdicts: Verdict[]) => verdicts.map((verdict) => admitted().end(verdict))
  const broken = () => {
    run('failure', 'failure', 'failure', 'failure')
    expect(breaker.state).toBe('open')
  }
  return { breaker, clock, watcher, admitted, run, broken }
}

describe('a closed breaker', () => {
  it('opens when enough of enough calls have failed', () => {
    const { breaker, run } = breakerWith()
    expect(run('success', 'success', 'failure', 'failure')).toEqual(['nothing', 'nothing', 'nothing', 'opened'])
    expect(breaker.state).toBe('open')
  })

  it('stays closed with fewer calls, all of them failed', () => {
    const { breaker, run } = breakerWith()
    run('failure', 'failure', 'failure')
    expect(breaker.state).toBe('closed')
  })

  it('stays closed with a smaller share of failures', () => {
    const { breaker, run } = breakerWith({ failureRate: 0.6 })
    run('success', 'success', 'failure', 'failure')
    expect(breaker.state).toBe('closed')
  })

  it('opens at a rate of one when every call failed', () => {
    const { breaker, run } = breakerWith({ failureRate: 1 })
    run('failure', 'failure', 'failure', 'failure')
    expect(breaker.state).toBe('open')
  })

  it('opens when the call that makes them enough is none of the failed', () => {
    const { run } = breakerWith()
    expect(run('failure', 'failure', 'failure', 'success').at(-1)).toBe('opened')
  })

  it('counts nothing that says nothing', () => {
    const { breaker, run } = breakerWith()
    run('failure', 'failure', 'failure', 'none', 'none', 'none')
    expect(breaker.state).toBe('closed')
    expect(run('failure')).toEqual(['opened'])
  })

  it('forgets what lies a window back', () => {
    const { breaker, clock, run } = breakerWith()
    run('failure', 'failure', 'failure')
    clock.advance(1000)
    run('failure', 'failure', 'failure')
    expect(breaker.state).toBe('closed')
  })

  it('remembers what lies nine tenths of a window back', () => {
    const { clock, run } = breakerWith()
    run('failure', 'failure', 'failure')
    clock.advance(900)
    expect(run('failure')).toEqual(['opened'])
  })

  it('counts a call when it ends', () => {
    const { clock, admitted, run } = breakerWith()
    const early = [admitted(), admitted(), admitted()]
    clock.advance(5000)
    for (const pass of early) pass.end('failure')
    expect(run('failure')).toEqual(['opened'])
  })
})

describe('an open breaker', () => {
  it.each(['interactive', 'event', 'mailbox'] as const)('admits no %s call until open_ms has passed', (priority) => {
    const { breaker, clock, broken } = breakerWith()
    broken()
    expect(breaker.admit(priority)).toBeUndefined()
    clock.advance(499)
    expect(breaker.admit(priority)).toBeUndefined()
    expect(breaker.state).toBe('open')
    clock.advance(1)
    expect(breaker.state).toBe('half_open')
    expect(breaker.admit(priority)).toMatchObject({ isProbe: true })
  })

  it('is not held open by failures of calls that began before', () => {
    const { breaker, clock, admitted, broken } = breakerWith()
    const old = admitted()
    broken()
    clock.advance(400)
    expect(old.end('failure')).toBe('nothing')
    clock.advance(100)
    expect(breaker.state).toBe('half_open')
  })
})

describe('a half-open breaker', () => {
  const halfOpen = (limits?: Partial<typeof standard>) => {
    const all = breakerWith(limits)
    all.broken()
    all.clock.advance(500)
    return all
  }

  it('admits one probe at a time', () => {
    const { breaker, clock, admitted } = halfOpen()
    admitted()
    clock.advance(100_000)
    expect(breaker.admit('mailbox')).toBeUndefined()
  })

  it('closes when its probe succeeds, and admits everybody', () => {
    const { breaker, admitted } = halfOpen()
    expect(admitted().end('success')).toBe('closed')
    expect(breaker.state).toBe('closed')
    expect(admitted()).toMatchObject({ isProbe: false })
    expect(admitted()).toMatchObject({ isProbe: false })
  })

  it('has forgotten the failures when it closes', () => {
    const { breaker, admitted, run } = halfOpen()
    admitted().end('success')
    run('failure', 'failure', 'failure')
    expect(breaker.state).toBe('closed')
  })

  it('opens again for as long when its probe fails', () => {
    const { breaker, clock, admitted } = halfOpen()
    clock.advance(2000)
    const probe = admitted()
    clock.advance(50)
    expect(probe.end('failure')).toBe('opened')
    clock.advance(499)
    expect(breaker.admit('interactive')).toBeUndefined()
    clock.advance(1)
    expect(breaker.admit('interactive')).toMatchObject({ isProbe: true })
  })

  it('has another probe at once after one that ended without a verdict', () => {
    const { breaker, admitted } = halfOpen()
    expect(admitted().end('none')).toBe('nothing')
    expect(breaker.state).toBe('half_open')
    expect(admitted()).toMatchObject({ isProbe: true })
  })

  it.each<Verdict>(['success', 'failure', 'none'])(
    'does not heed a %s of a call that began before it broke',
    (verdict) => {
      const { breaker, clock, admitted, broken } = breakerWith()
      const old = admitted()
      broken()
      clock.advance(500)
      const probe = admitted()
      expect(old.end(verdict)).toBe('nothing')
      expect(breaker.state).toBe('half_open')
      expect(breaker.admit('mailbox')).toBeUndefined()
      expect(probe.end('success')).toBe('closed')
    },
  )

  it('once closed does not count the failures of calls that began before it broke', () => {
    const { breaker, clock, admitted, broken } = breakerWith()
    const old = [admitted(), admitted(), admitted(), admitted()]
    broken()
    clock.advance(500)
    admitted().end('success')
    for (const pass of old) pass.end('failure')
    expect(breaker.state).toBe('closed')
  })

  it('keeps its probe for a mailbox that wants it, for one more open_ms', () => {
    const { breaker, clock, watcher } = halfOpen()
    watcher.wantsProbe = true
    clock.advance(499)
    expect(breaker.admit('interactive')).toBeUndefined()
    expect(breaker.admit('event')).toBeUndefined()
    expect(breaker.admit('mailbox')).toMatchObject({ isProbe: true })
  })

  it('gives its probe to anybody when that mailbox has not come by then', () => {
    const { breaker, clock, watcher } = halfOpen()
    watcher.wantsProbe = true
    clock.advance(500)
    expect(breaker.admit('interactive')).toMatchObject({ isProbe: true })
  })

  it('gives its probe to anybody where no mailbox wants it', () => {
    const { breaker } = halfOpen()
    expect(breaker.admit('event')).toMatchObject({ isProbe: true })
  })
})

describe('whatever has happened', () => {
  const priority = fc.constantFrom('interactive' as const, 'event' as const, 'mailbox' as const)
  const verdict = fc.constantFrom<Verdict>('success', 'failure', 'failure', 'failure', 'none')
  const step = fc.oneof(
    fc.record({ do: fc.constant('admit' as const), priority }),
    { arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(30), verdict }), weight: 2 },
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(700) }),
    fc.record({ do: fc.constant('watch' as const), wantsProbe: fc.boolean() }),
  )
  type Step = typeof step extends fc.Arbitrary<infer One> ? One : never
  const steps = fc.array(step, { maxLength: 80 })
  /** What each state may say to a call. */
  const allowed = { closed: ['counted'], open: ['refused'], half_open: ['refused', 'probe'] }

  function play(steps: readonly Step[]) {
    const { breaker, clock, watcher } = breakerWith({ minimumCalls: 2 })
    const underWay: Pass[] = []
    const answers: { state: keyof typeof allowed; answer: string; probes: number }[] = []
    for (const one of steps) {
      if (one.do === 'wait') clock.advance(one.ms)
      else if (one.do === 'watch') watcher.wantsProbe = one.wantsProbe
      else if (one.do === 'end') underWay.splice(one.which % Math.max(1, underWay.length), 1)[0]?.end(one.verdict)
      else {
        const { state } = breaker
        const pass = breaker.admit(one.priority)
        if (pass !== undefined) underWay.push(pass)
        const answer = pass === undefined ? 'refused' : pass.isProbe ? 'probe' : 'counted'
        answers.push({ state, answer, probes: underWay.filter(({ isProbe }) => isProbe).length })
      }
    }
    return { breaker, clock, underWay, answers }
  }

  it('there is one probe at most, and none but where the breaker is half open', () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const { answers } = play(steps)
        expect(answers.filter(({ probes }) => probes > 1)).toEqual([])
        expect(answers.filter(({ state, answer }) => !allowed[state].includes(answer))).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })

  it('the next call closes it, whosever that is, once what was under way has ended and the region is well', () => {
    fc.assert(
      fc.property(steps, priority, (steps, priority) => {
        const { breaker, clock, underWay } = play(steps)
        for (const pass of underWay) pass.end('none')
        clock.advance(2 * standard.openMs)
        breaker.admit(priority)?.end('success')
        expect(breaker.state).toBe('closed')
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a breaker whose mailbox has failed as the probe', () => {
  function failedOnce({ isClicked }: { isClicked: boolean }) {
    const all = breakerWith()
    all.watcher.wantsProbe = true
    all.broken()
    if (isClicked) all.breaker.admit('interactive')
    all.clock.advance(500)
    expect(all.admitted('mailbox').end('failure')).toBe('opened')
    return all
  }

  it('lets somebody who clicks be the next, so that one bad delivery cannot keep the region from everybody', () => {
    const { breaker, clock, admitted } = failedOnce({ isClicked: true })
    clock.advance(500)
    expect(breaker.admit('mailbox')).toBeUndefined()
    expect(admitted('interactive').end('success')).toBe('closed')
  })

  it('asks the mailbox again where nobody comes for as long again', () => {
    const { breaker, clock } = failedOnce({ isClicked: true })
    clock.advance(999)
    expect(breaker.admit('mailbox')).toBeUndefined()
    clock.advance(1)
    expect(breaker.admit('mailbox')).toMatchObject({ isProbe: true })
  })

  it('asks the mailbox again at once where nobody has clicked meanwhile', () => {
    const { breaker, clock } = failedOnce({ isClicked: false })
    clock.advance(500)
    expect(breaker.admit('mailbox')).toMatchObject({ isProbe: true })
  })

  it('asks the mailbox first again when the click has failed too', () => {
    const { breaker, clock, admitted } = failedOnce({ isClicked: true })
    clock.advance(500)
    expect(admitted('interactive').end('failure')).toBe('opened')
    clock.advance(500)
    expect(breaker.admit('interactive')).toBeUndefined()
    expect(breaker.admit('mailbox')).toMatchObject({ isProbe: true })
  })
})
