import { connectSpool } from '../../src/spool/sqlite/transaction.ts'
import { intact, mutations, type MutationName } from './mutations.ts'
import type { Failure, Findings } from './observer.ts'
import { drawSchedule, linesOf } from './schedule.ts'
import { simulate } from './world.ts'

export interface Order {
  readonly first: number
  /** Every so many seeds. */
  readonly step: number
  readonly count: number
  readonly mutation: MutationName | undefined
  /** Tell the story of this one seed whether or not it fails. */
  readonly tell: boolean
}

export interface Ran {
  readonly schedules: number
  /** In how many schedules each thing happened. */
  readonly coverage: ReadonlyMap<string, number>
  readonly failed: FailedSchedule | undefined
}

export interface FailedSchedule {
  readonly seed: number
  readonly failures: readonly Failure[]
  readonly lines: readonly string[]
  readonly trace: readonly string[]
}

/** Runs schedules until one fails. */
export async function runSchedules({ first, step, count, mutation, tell }: Order): Promise<Ran> {
  const connection = await connectSpool(':memory:', { waitMs: 0 })
  const broken = mutation === undefined ? intact : mutations[mutation]
  const coverage = new Map<string, number>()
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', onUnhandled)

  async function once(seed: number, tracing: boolean): Promise<Findings> {
    const findings = await simulate(drawSchedule(seed), connection, { mutation: broken, tracing })
    const [reason] = unhandled.splice(0)
    if (reason === undefined) return findings
    const why = reason instanceof Error ? (reason.stack ?? reason.message) : 'of no error'
    return { ...findings, failures: [...findings.failures, { broken: 'unhandled rejection', why }] }
  }

  try {
    for (let at = 0; at < count; at++) {
      const seed = first + at * step
      const { failures, coverage: covered, trace } = await once(seed, tell)
      for (const what of covered) coverage.set(what, (coverage.get(what) ?? 0) + 1)
      if (failures.length === 0 && !tell) continue
      const told = tell ? trace : (await once(seed, true)).trace
      return {
        schedules: at + 1,
        coverage,
        failed: { seed, failures, lines: linesOf(drawSchedule(seed)), trace: told },
      }
    }
    return { schedules: count, coverage, failed: undefined }
  } finally {
    process.off('unhandledRejection', onUnhandled)
    connection.database.close()
  }
}
