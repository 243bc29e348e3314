import type { Clock } from '../clock.ts'
import type { Id } from '../directory/directory.ts'
import { codeOf } from '../dispatch/failure-reason.ts'
import { LEASE_MS, type OwedAnswers } from '../spool/spool.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Log } from '../telemetry/log.ts'
import { backOffMs } from './back-off.ts'
import type { LateCase } from './late-case.ts'
import { pause } from './pause.ts'
import type { Turn } from './tell-answer.ts'

/** How an owed answer ended, as the counter has it. */
export type Ending =
  | 'posted'
  | 'nothing_to_say'
  | 'failed_told'
  | 'unknown_told'
  | 'post_unknown'
  | 'post_refused'
  | 'post_gave_up'
  | 'taken_over'
  | 'too_late'
  | 'unreadable'
  | 'provider_gone'
  | 'not_allowed'
  | 'internal_error'

export interface EndedAnswer {
  readonly delivery: string
  readonly provider: string
  readonly integration: Id
  readonly result: Ending
  readonly reason: string | undefined
  /** Unix milliseconds: since when it was this instance's to give, and when that ended. */
  readonly owedAt: number
  readonly endedAt: number
  /** What was kept of the webhook, as far as that could be read. */
  readonly what: LateCase | undefined
}

/** An owed answer as long as it is this process's to give. */
export interface Debt extends Turn, Pick<EndedAnswer, 'owedAt'> {
  readonly delivery: string
  readonly provider: string
  readonly integration: Id
  readonly stop: AbortController
  /** The webhook's arrival, monotonic. */
  readonly startedAt: number
  /** Whether it is in the store. */
  stored: Promise<boolean>
  /** Whether nobody else can have taken it over. Whether somebody has, the store tells when something is to be said. */
  isOurs: () => boolean
  /** Undefined until it has been read. */
  what: LateCase | undefined
  /** All is said that this process has to say of it. */
  isOver: boolean
  /** A region was not asked again, since nobody whom it was asked for is there any more, or it is sent nothing. */
  isLeft: boolean
}

export interface DebtsParts {
  readonly owed: Pick<OwedAnswers, 'paid'>
  /** What is owed by this instance now: the answer tells, whenever asked, whether nobody can have taken it over since. */
  readonly claims: () => () => boolean
  /** Told how an owed answer of this instance ended. */
  readonly onEnd: (ended: EndedAnswer) => void
  /** Asked of each that went well; the others always are. */
  readonly isLogged: () => boolean
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly counters: Counters
}

/** The longest wait for a store that is away: as long as it is, others may be waiting for what is owed here. */
const STORE_WAIT_MS = LEASE_MS
/** The answers that this process owes: each from when it begins to owe it until it is paid, or is left to others. */
export interface Debts {
  get(delivery: string): Debt | undefined
  /** `ageMs`: how long ago the webhook came. */
  begin(of: Pick<Debt, 'delivery' | 'provider' | 'integration' | 'what'>, ageMs: number): Debt
  /** Of the one that this process does not owe after all. */
  forget(debt: Debt): void
  /** Keeps `stop` waiting for the work; where that fails, the debt is concluded. Never rejects. */
  run(debt: Debt, work: () => Promise<void>): Promise<void>
  /** Every owed answer ends here, but for those that are left to others. */
  conclude(debt: Debt, result: Ending, reason?: string): Promise<void>
  /** Removes it from the store, however long that is away. */
  pay(debt: Debt): Promise<void>
  leave(debt: Debt): void
  tellFault(debt: Debt, fault: unknown): void
  size(): number
  stopping(): boolean
  /** What goes on for long is broken off; resolves when nothing runs any more. */
  stop(): Promise<void>
}

export function createDebts(parts: DebtsParts): Debts {
  const { owed, clock, random, log, counters } = parts
  const debts = new Map<string, Debt>()
  const running = new Set<Promise<void>>()
  let stopping = false

  return {
    get: (delivery) => debts.get(delivery),
    begin,
    forget,
    run,
    conclude,
    pay,
    leave(debt) {
      debt.isOver = true
      log.info(lineOf(debt, {}), 'A late answer is left to whoever comes next')
    },
    tellFault,
    size: () => debts.size,
    stopping: () => stopping,
    async stop() {
      stopping = true
      for (const debt of debts.values()) debt.stop.abort()
      while (running.size > 0) await Promise.all(running)
    },
  }

  function begin(of: Pick<Debt, 'delivery' | 'provider' | 'integration' | 'what'>, ageMs: number): Debt {
    const stop = new AbortController()
    if (stopping) stop.abort()
    const startedAt = clock.monotonic() - ageMs
    const isOurs = parts.claims()
    const debt: Debt = {
      ...of,
      startedAt,
      owedAt: clock.now(),
      stop,
      stored: Promise.resolve(true),
      isOurs,
      isOver: false,
      isLeft: false,
      lost: false,
      posting: false,
    }
    debts.set(of.delivery, debt)
    return debt
  }

  function forget(debt: Debt): void {
    if (debts.get(debt.delivery) === debt) debts.delete(debt.delivery)
  }

  function run(debt: Debt, work: () => Promise<void>): Promise<void> {
    const finished = work()
      .catch(async (fault: unknown) => {
        tellFault(debt, fault)
        if (!debt.isOver) await conclude(debt, 'internal_error', reasonOf(fault))
      })
      .finally(() => running.delete(finished))
    running.add(finished)
    return finished
  }

  function tellFault(debt: Debt, fault: unknown): void {
    log.error(lineOf(debt, { reason: reasonOf(fault) }), 'A fault of our own befell a late answer')
  }

  async function conclude(debt: Debt, result: Ending, reason?: string): Promise<void> {
    debt.isOver = true
    counters.count('late_answers_total', { result })
    // Whoever has taken it over tells how it ends.
    if (result !== 'taken_over') {
      const { delivery, provider, integration, owedAt, what } = debt
      parts.onEnd({ delivery, provider, integration, result, reason, owedAt, endedAt: clock.now(), what })
    }
    const wentWell = result === 'posted' || result === 'nothing_to_say'
    const endedMs = Math.round(clock.monotonic() - debt.startedAt)
    if (!wentWell) log.warn(lineOf(debt, { result, reason, endedMs }), 'late answer')
    else if (parts.isLogged()) log.info(lineOf(debt, { result, endedMs }), 'late answer')
    // What somebody else has taken over is theirs to tell and to remove.
    if (result === 'taken_over') forget(debt)
    else await pay(debt)
  }

  async function pay(debt: Debt): Promise<void> {
    for (let failures = 1; ; failures++) {
      try {
        await owed.paid(debt.delivery)
        forget(debt)
        return
      } catch (error) {
        if (debt.stop.signal.aborted) {
          log.warn(
            lineOf(debt, { reason: reasonOf(error) }),
            'An answer that is not owed any more could not be removed',
          )
          return
        }
      }
      await pause(clock, Math.min(backOffMs(failures, random, undefined), STORE_WAIT_MS), debt.stop.signal)
    }
  }
}

export function lineOf(
  { delivery, provider, integration }: Debt,
  more: { result?: Ending; reason?: string | undefined; endedMs?: number },
): Record<string, unknown> {
  return { delivery, provider, integration, ...more }
}

/** Never the message: it may say where an answer was to go. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? codeOf(error) : 'not_an_error'
}
