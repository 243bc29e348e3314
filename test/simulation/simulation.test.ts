import { describe, expect, it } from 'vitest'
import { expected, tableOf } from './coverage.ts'
import { reportOf, runInThreads } from './run-in-threads.ts'

const { SIM_SEED, SIM_SCHEDULES = '20000', SIM_FIRST = '1' } = process.env
const SCHEDULES = Number(SIM_SCHEDULES)
/** Fewer schedules than these need not have met everything that can happen. */
const ENOUGH = 20_000
const TIMEOUT_MS = 600_000 + 20 * SCHEDULES

describe('a gateway in a world that goes wrong', () => {
  it.skipIf(SIM_SEED !== undefined)(
    `keeps what it promises in ${SCHEDULES} schedules, among them everything that can go wrong`,
    { timeout: TIMEOUT_MS },
    async () => {
      const ran = await runInThreads(
        { first: Number(SIM_FIRST), count: SCHEDULES, mutation: undefined, tell: false },
        2,
      )
      if (ran.failed !== undefined) throw new Error(reportOf(ran.failed))
      process.stdout.write(tableOf(ran))
      const wanted = SCHEDULES < ENOUGH ? [] : expected
      expect(wanted.filter((what) => !ran.coverage.has(what))).toEqual([])
    },
  )

  it.runIf(SIM_SEED !== undefined)(`keeps what it promises in the schedule of seed ${SIM_SEED}`, async () => {
    const { failed } = await runInThreads({ first: Number(SIM_SEED), count: 1, mutation: undefined, tell: true }, 1)
    if (failed === undefined) throw new Error('Nothing was told of it')
    process.stdout.write(`${reportOf(failed)}\n`)
    expect(failed.failures).toEqual([])
  })
})
