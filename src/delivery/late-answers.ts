import type { RegionResult } from '../dispatch/region-result.ts'
import type { LateMessage, Provider } from '../provider.ts'
import type { Sealer } from '../spool/seal.ts'
import type { OrphanedAnswer, OwedAnswers, Sealed } from '../spool/spool.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import { createDebts, lineOf, reasonOf, type Debt, type DebtsParts, type Ending } from './debts.ts'
import { ANSWERABLE_MS, hearAnswer, isLeft, type Call, type Heard } from './hear-answer.ts'
import {
  packCase,
  packMessage,
  SEALED_FOR,
  unpackCase,
  unpackMessage,
  type AskedRegion,
  type LateCase,
} from './late-case.ts'
import type { AnswerPoster } from './post-answer.ts'
import type { StillThere } from './still-there.ts'
import { tellAnswer } from './tell-answer.ts'

/**
 * The answers that are owed after an empty 200. At most one is ever heard of a webhook: each is recorded as being posted
 * before it is, and what was being posted when its instance went away is not posted again.
 */
export interface LateAnswers {
  /**
   * Commits that an answer is owed; `message` where it is known already. Rejects when that is not stored by `giveUpAt`
   * (monotonic), and then nothing is owed.
   */
  owe(what: LateCase, message: LateMessage | undefined, giveUpAt: number): Promise<void>
  /** All is said in the response after all; also to be called while `owe` is still under way. Never rejects. */
  forgive(what: LateCase): Promise<void>
  /**
   * Waits for the running calls, asks again what may be asked again and posts one answer. Resolves when that and every
   * call is over. Never rejects.
   */
  follow(what: LateCase, calls: readonly Call[]): Promise<void>
  /** Posts the message with which it was owed. Never rejects. */
  tell(what: LateCase, message: LateMessage): Promise<void>
  /**
   * Takes over what instances that went away have left. Resolves when it is this instance's; finishing it goes on, for
   * up to 25 min. Never rejects.
   */
  takeOver(): Promise<void>
  /** How many are owed by this instance: while there are any, its lease has to be kept. */
  owed(): number
  /**
   * No more asking again, no more retries: what cannot be finished stays owed in the store for whoever comes next.
   * Resolves when nothing runs any more, calls that were under way included.
   */
  stop(): Promise<void>
}

export interface LateAnswersParts extends DebtsParts {
  readonly owed: OwedAnswers
  readonly sealer: () => Sealer
  readonly poster: Pick<AnswerPoster, 'post'>
  readonly provider: (name: string) => Pick<Provider, 'lateMessage' | 'apology' | 'mayPostTo'> | undefined
  /** A deferred attempt, with the interactive priority; `maySend` is to be asked right before it is sent. */
  readonly ask: (what: LateCase, region: AskedRegion, attempt: number, maySend: () => boolean) => Promise<RegionResult>
  /** Whom a region may still be asked for: looked up before each attempt but the first. */
  readonly stillThere: (what: LateCase, region: AskedRegion) => Promise<StillThere>
  /** Whether the region may be sent the same request twice. */
  readonly idempotent: (regionName: string) => boolean
  readonly alarms: Alarms
}

/**
 * The oldest that a webhook can be whose answer is owed for the first time: a wall clock that was set forward meanwhile
 * must not make it look older, nor one that was set back make it younger than now.
 */
const JUST_NOW_MS = 60_000

export function createLateAnswers(parts: LateAnswersParts): LateAnswers {
  const { owed, sealer, clock, random, log } = parts
  const debts = createDebts(parts)

  return {
    async owe(what, message, giveUpAt) {
      const { provider, integration, kept } = what
      const { delivery, receivedAt } = kept.what
      const seal = (plain: Buffer, region: string): Sealed => sealer().seal(plain, { delivery, region })
      const request = seal(packCase(what), SEALED_FOR.request)
      const known = message && seal(packMessage(message), SEALED_FOR.message)
      const debt = debtOf(what)
      const storing = owed.owe({ delivery, provider, integration, receivedAt, request, message: known }, { giveUpAt })
      debt.stored = storing.then(
        () => true,
        () => false,
      )
      try {
        await storing
        debt.isOurs = parts.claims()
      } catch (error) {
        debts.forget(debt)
        throw error
      }
    },

    async forgive(what) {
      const debt = debts.get(what.kept.what.delivery)
      if (debt === undefined) return
      await debts.run(debt, async () => {
        if (await debt.stored) await debts.pay(debt)
      })
    },

    follow(what, calls) {
      const debt = debtOf(what)
      return debts.run(debt, () =>
        orApologize(debt, what, async () => {
          const { answer, ended } = hear(debt, what, calls, 1)
          await settle(debt, what, await answer)
          await ended
        }),
      )
    },

    tell(what, message) {
      const debt = debtOf(what)
      return debts.run(debt, () => say(debt, what, { message, posts: 0, ending: 'posted' }))
    },

    async takeOver() {
      if (debts.stopping()) return
      let orphans: OrphanedAnswer[]
      try {
        orphans = await owed.takeOver()
      } catch (error) {
        const reason = reasonOf(error)
        parts.alarms.raise('warn', 'late answers', { reason }, 'It cannot be asked what other instances still owe')
        return
      }
      // Given back, with all that is this instance's, when the store is closed.
      if (debts.stopping()) return
      for (const orphan of orphans) adopt(orphan)
    },

    owed: () => debts.size(),
    stop: () => debts.stop(),
  }

  function debtOf(what: LateCase): Debt {
    const { provider, integration, kept } = what
    const { delivery, receivedAt } = kept.what
    const known = debts.get(delivery)
    return known ?? debts.begin({ delivery, provider, integration, what }, Math.min(ageOf(receivedAt), JUST_NOW_MS))
  }

  function ageOf(receivedAt: number): number {
    return Math.max(0, clock.now() - receivedAt)
  }

  /**
   * Nobody takes over what this instance has: where `work` goes wrong before anything was said, the user is told at
   * least that the outcome is not known.
   */
  async function orApologize(debt: Debt, what: LateCase, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (fault) {
      if (debt.isOver || debt.posting) throw fault
      debts.tellFault(debt, fault)
      await settle(debt, what, { kind: 'none', why: 'unknown' })
    }
  }

  function adopt(orphan: OrphanedAnswer): void {
    const { delivery, provider, integration, receivedAt, state } = orphan
    const before = debts.get(delivery)
    if (before !== undefined) {
      // Our own lease had lapsed, and it has come back to us. If somebody else was about to say something meanwhile, it
      // may have been heard; otherwise it is as if it had never been away.
      before.isOurs = parts.claims()
      if (state.kind !== 'posting' || before.posting) return
      before.lost = true
      before.stop.abort()
    }
    const debt = debts.begin({ delivery, provider, integration, what: undefined }, ageOf(receivedAt))
    void debts.run(debt, () => finish(debt, orphan))
  }

  /** Says what can still be said of an answer whose instance has gone away. */
  async function finish(debt: Debt, { request, receivedAt, state }: OrphanedAnswer): Promise<void> {
    if (state.kind === 'posting') return await debts.conclude(debt, 'post_unknown', 'instance_gone')
    if (ageOf(receivedAt) >= ANSWERABLE_MS) return await debts.conclude(debt, 'too_late')
    const what = read(debt, request, SEALED_FOR.request, unpackCase)
    if (what.kind === 'unreadable') return await debts.conclude(debt, 'unreadable', what.reason)
    debt.what = what.value
    const provider = parts.provider(what.value.provider)
    if (provider === undefined) return await debts.conclude(debt, 'provider_gone')
    if (!provider.mayPostTo(what.value.to)) return await debts.conclude(debt, 'not_allowed')
    if (state.kind === 'ready') {
      const message = read(debt, state.message, SEALED_FOR.message, unpackMessage)
      if (message.kind === 'unreadable') return await debts.conclude(debt, 'unreadable', message.reason)
      return await say(debt, what.value, { message: message.value, posts: state.posts, ending: 'posted' })
    }
    await orApologize(debt, what.value, () => askOnceMore(debt, what.value))
  }

  /**
   * Nobody knows any more what became of the first attempts. Regions that can be asked the same thing twice are; what
   * another one may have done is not known, unless one of those has an answer.
   */
  async function askOnceMore(debt: Debt, what: LateCase): Promise<void> {
    const askable = what.regions.filter(({ name }) => parts.idempotent(name))
    const calls = askable.map((region) => ({ region, result: ask(debt, what, region, 2) }))
    const { answer, ended } = hear(debt, what, calls, 2)
    const heard = await answer
    const isWhole = askable.length === what.regions.length
    const isUnknown = (!isWhole || debt.isLeft) && (heard.kind === 'nothing_to_say' || heard.kind === 'none')
    await settle(debt, what, isUnknown ? { kind: 'none', why: 'unknown' } : heard)
    await ended
  }

  /** What is thrown before there is a promise is a fault of the same kind. */
  async function ask(debt: Debt, what: LateCase, region: AskedRegion, attempt: number): Promise<RegionResult> {
    const { name } = region
    const there = await parts.stillThere(what, region)
    const result: RegionResult =
      typeof there === 'string'
        ? { kind: 'refused', region: name, reason: there, timing: { startedMs: 0, endedMs: 0 } }
        : await parts.ask(what, { name, organizations: there }, attempt, () => debt.isOurs())
    debt.isLeft ||= isLeft(result)
    return result
  }

  function hear(debt: Debt, what: LateCase, calls: readonly Call[], attempt: number): ReturnType<typeof hearAnswer> {
    return hearAnswer(calls, {
      startedAt: debt.startedAt,
      attempt,
      ask: (region, number) => ask(debt, what, region, number),
      mayAsk: () => debt.isOurs(),
      idempotent: parts.idempotent,
      lateMessage: (reply) => parts.provider(what.provider)?.lateMessage(reply),
      onFault: (error) => log.error(lineOf(debt, { reason: reasonOf(error) }), 'A call for a late answer failed'),
      stop: debt.stop.signal,
      clock,
      random,
    })
  }

  async function settle(debt: Debt, what: LateCase, heard: Heard): Promise<void> {
    switch (heard.kind) {
      case 'message':
        return await say(debt, what, { message: heard.message, posts: 0, ending: 'posted' })
      case 'nothing_to_say':
        return await debts.conclude(debt, 'nothing_to_say')
      case 'left':
        return debts.leave(debt)
      case 'none': {
        const message = parts.provider(what.provider)?.apology(heard.why)
        if (message === undefined) return await debts.conclude(debt, 'provider_gone')
        return await say(debt, what, { message, posts: 0, ending: `${heard.why}_told` })
      }
    }
  }

  async function say(
    debt: Debt,
    what: LateCase,
    { message, posts, ending }: { message: LateMessage; posts: number; ending: Ending },
  ): Promise<void> {
    const { delivery, startedAt, stop } = debt
    const { to } = what
    const allowed = (): boolean => parts.provider(what.provider)?.mayPostTo(to) ?? false
    const told = await tellAnswer(
      { delivery, to, message, posts, startedAt, allowed, turn: debt, stop: stop.signal },
      parts,
    )
    if (told.kind === 'left') return debts.leave(debt)
    if (told.kind === 'posted') return await debts.conclude(debt, ending)
    await debts.conclude(debt, told.kind, told.reason)
  }

  /** Opens what was sealed. What does not open was not written here, and is neither asked nor said. */
  function read<Value>(
    { delivery }: Debt,
    sealed: Sealed,
    region: string,
    unpack: (bytes: Buffer) => Value,
  ): { kind: 'read'; value: Value } | { kind: 'unreadable'; reason: string } {
    const opened = sealer().open(sealed, { delivery, region })
    if (opened.kind !== 'opened') return { kind: 'unreadable', reason: opened.kind }
    try {
      return { kind: 'read', value: unpack(opened.plain) }
    } catch {
      return { kind: 'unreadable', reason: 'malformed' }
    }
  }
}
