import { describe, expect, it } from 'vitest'
import { machineTimes, othersShare } from '../../../bench/process-account.ts'

/** As Linux has it: user, nice, system, idle, iowait, irq, softirq, steal, guest and guest_nice, in ticks of 10 ms. */
const stat = ({ user = 0, idle = 0, ioWait = 0, steal = 0 }): string =>
  `cpu  ${user} 0 0 ${idle} ${ioWait} 0 0 ${steal} 0 0\ncpu0 ${user} 0 0 ${idle} ${ioWait} 0 0 ${steal} 0 0\n`

const before = machineTimes(stat({ user: 500, idle: 1000, ioWait: 10, steal: 30 }))
const sharedOf = (ticks: { user?: number; idle?: number; ioWait?: number; steal?: number }, usedMs: number): number =>
  othersShare(
    before,
    machineTimes(
      stat({
        user: 500 + (ticks.user ?? 0),
        idle: 1000 + (ticks.idle ?? 0),
        ioWait: 10 + (ticks.ioWait ?? 0),
        steal: 30 + (ticks.steal ?? 0),
      }),
    ),
    { allMs: 2000, usedMs },
  )

describe('what others had of the machine', () => {
  it('is the time in which no core was idle, nor busy with what is known', () => {
    expect(sharedOf({ idle: 100, ioWait: 20 }, 600)).toBeCloseTo(0.1)
    expect(sharedOf({ idle: 200 }, 0)).toBe(0)
    expect(sharedOf({}, 0)).toBe(1)
  })

  it('does not go by what Linux sampled of busy cores', () => {
    expect(sharedOf({ user: 150, idle: 120 }, 800)).toBe(0)
  })

  it('is at least what the host gave to other machines', () => {
    expect(sharedOf({ idle: 120, steal: 30 }, 800)).toBeCloseTo(0.15)
  })

  it('is never less than nothing, where two clocks differ', () => {
    expect(sharedOf({ idle: 130 }, 800)).toBe(0)
  })
})
