import type { Clock } from '../clock.ts'
import type { Directory } from '../directory/directory.ts'
import type { DirectoryEditor } from '../directory/edit.ts'
import type { Forward } from '../dispatch/forward.ts'
import type { RegionClient } from '../dispatch/region-client.ts'
import { mailboxSlots } from '../dispatch/slots.ts'
import type { Provider } from '../provider.ts'
import type { Topology } from '../regions/regions.ts'
import type { Note } from '../records/notes.ts'
import { attemptOf } from '../records/story.ts'
import { resolve } from '../resolve/resolve.ts'
import type { Sealer } from '../spool/seal.ts'
import type { OwedAnswers, Spool } from '../spool/spool.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import type { Counters } from '../telemetry/counters.ts'
import { didFail, logAttempt } from '../telemetry/log-attempt.ts'
import { isSampled, type Log } from '../telemetry/log.ts'
import type { Tracing } from '../telemetry/span.ts'
import { traceLateAnswer } from '../telemetry/trace-late-answer.ts'
import { regionRecord } from '../telemetry/webhook-record.ts'
import { attempt, isHeld } from './attempt.ts'
import { fetchEarlier, followOrganization, type Followed, type MovedOrganization } from './follow.ts'
import { createLateAnswers, type LateAnswers, type LateAnswersParts } from './late-answers.ts'
import { createMailboxWorker, type MailboxWorker } from './mailboxes.ts'
import type { AnswerPoster } from './post-answer.ts'
import { stillThere } from './still-there.ts'

/** What a reload may replace: asked for each time it is used. */
export interface DeliveryNow {
  readonly topology: Topology
  provider(name: string): Provider | undefined
  client(region: string): Pick<RegionClient, 'breaker'> | undefined
  readonly forward: Forward
  readonly sealer: Sealer
  /** Share of what went well that is logged. */
  readonly logSample: number
  /** How long something may wait, and how long what has died is kept. */
  readonly maxAgeMs: number
  readonly deadLetterMs: number
}

export interface DeliveryParts {
  readonly spool: Spool
  readonly poster: Pick<AnswerPoster, 'post'>
  /** For what is late already: it may wait, but must not go where an organization has been, whatever is remembered. */
  readonly directory: Pick<Directory, 'find'> & Pick<DirectoryEditor, 'forgetFormerHomes'>
  readonly now: () => DeliveryNow
  /** For how long any gateway may not have heard of a change of the directory: `CACHE_HARD_MS`. */
  readonly unheardMs: number
  /** Told what becomes of a delivery that was answered. Never throws. */
  readonly note: (delivery: string, note: Note) => void
  readonly tracing?: Tracing | undefined
  readonly clock: Clock
  readonly log: Log
  readonly alarms: Alarms
  readonly counters: Counters
  readonly random: () => number
}

/** All that is still owed by this instance: what waits in mailboxes, and the answers after an empty 200. */
export interface Delivery {
  readonly mailboxes: MailboxWorker
  readonly late: LateAnswers
  /** Goes on with what is there, and with what others have left whenever one is gone. Rejects when it cannot be read. */
  start(): Promise<void>
  /** Lets what waits for an organization follow it. Rejects when the store cannot be asked. */
  follow(moved: MovedOrganization): Promise<Followed>
  /** Begins nothing more; resolves when what runs has ended. To be called again for what webhooks have left since. */
  stop(): Promise<void>
}

/** With the lease of an instance that is gone less than the 5 s in which what it owed is to be taken over. */
const TAKE_OVER_MS = 500

/** Puts together what delivers: mailboxes and late answers share a store, and with it one lease. */
export function createDelivery(parts: DeliveryParts): Delivery {
  const { spool, poster, directory, now, note, tracing, clock, log, alarms, counters, random } = parts
  const regionNamed = (name: string) => now().topology.byName.get(name)
  const sealer = (): Sealer => now().sealer
  const isLogged = (): boolean => isSampled(now().logSample, random)
  const provider = (name: string): Provider | undefined => now().provider(name)
  let cancelTakeOver = (): void => {}
  let stopping = false

  const forward: Forward = async (what, to, attempt) => {
    const result = await now().forward(what, to, attempt)
    // Of a region that nothing is sent to there would be one each second.
    if (attempt.kind === 'deferred' && result.kind !== 'refused') {
      const record = regionRecord(result)
      note(what.delivery, { kind: 'attempt', attempt: attemptOf(record, attempt.number) })
      if (didFail(record) || isLogged()) logAttempt(log, what.delivery, attempt.number, record)
    }
    return result
  }

  const mailboxes = createMailboxWorker({
    spool,
    clock,
    alarms,
    counters,
    random,
    attempt: (address, row, maySend) =>
      attempt(address, row, {
        maySend,
        clock,
        alarms,
        directory,
        topology: () => now().topology,
        resolve: async (request) => resolve(request, directory, now().topology),
        provider,
        sealer,
        forward,
        fetchEarlier: (one, home, waiting) =>
          fetchEarlier(one, home, waiting, {
            spool,
            sealer: sealer(),
            now: clock.now(),
            unheardMs: parts.unheardMs,
            forgetFormerHomes: (...which) => directory.forgetFormerHomes(...which),
            lookInto: (left) => mailboxes.lookInto(left),
          }),
      }),
    isHeld: (address) => isHeld(address, directory),
    lane(name) {
      const client = now().client(name)
      const region = regionNamed(name)
      if (client === undefined || region === undefined || region.state === 'down') return undefined
      return { atMost: mailboxSlots(region.maxConcurrency), breaker: client.breaker.state }
    },
    maxAgeMs: () => now().maxAgeMs,
    deadLetterMs: () => now().deadLetterMs,
    maxSpoolBytes: (name) => regionNamed(name)?.maxSpoolBytes,
    holdsMore: () => late.owed() > 0,
    onDead: (delivery, region, reason) => note(delivery, { kind: 'dead', region, reason }),
  })

  const late = createLateAnswers({
    owed: renewing(spool, mailboxes, clock),
    claims: () => mailboxes.claims(),
    stillThere: (what, region) => stillThere(what, region, directory),
    sealer,
    poster,
    provider,
    idempotent: (name) => regionNamed(name)?.idempotent === true,
    ask: askAgain,
    onEnd(ended) {
      const { delivery, result, reason = null } = ended
      note(delivery, { kind: 'late_answer', result, reason })
      if (tracing !== undefined) traceLateAnswer(ended, tracing)
    },
    isLogged,
    clock,
    log,
    alarms,
    counters,
    random,
  })

  function askAgain(...[what, asked, number, maySend]: Parameters<LateAnswersParts['ask']>) {
    const { kept, integration } = what
    const { name, organizations } = asked
    const { headers: rawHeaders, body } = kept.what
    const headers = provider(what.provider)?.signAgain({ rawHeaders, body, signedBy: kept.signedBy })
    if (headers === undefined) {
      const timing = { startedMs: 0, endedMs: 0 }
      return Promise.resolve({ kind: 'refused' as const, region: name, reason: 'no_signing_secret' as const, timing })
    }
    return forward(
      { ...kept.what, headers },
      { integration, destination: { name, region: regionNamed(name), organizations } },
      { kind: 'deferred', priority: 'interactive', number, maySend },
    )
  }

  /** Now, and again and again: any other instance may be gone. */
  async function takeOver(): Promise<void> {
    await late.takeOver()
    if (!stopping) cancelTakeOver = clock.after(TAKE_OVER_MS, () => void takeOver())
  }

  return {
    mailboxes,
    late,
    async start() {
      await mailboxes.start()
      void takeOver()
    },
    follow: (moved) =>
      followOrganization(moved, { spool, sealer: sealer(), filling: (...work) => mailboxes.filling(...work) }),
    async stop() {
      stopping = true
      cancelTakeOver()
      await Promise.all([mailboxes.stop(), late.stop()])
    },
  }
}

/** Each time that an answer is written down the lease is renewed, and the mailboxes live on that lease as well. */
function renewing(owed: OwedAnswers, mailboxes: Pick<MailboxWorker, 'written'>, clock: Clock): OwedAnswers {
  return {
    ...owed,
    async owe(answer, options) {
      const askedAt = clock.monotonic()
      await owed.owe(answer, options)
      mailboxes.written(askedAt)
    },
    async takeOver() {
      const askedAt = clock.monotonic()
      const orphans = await owed.takeOver()
      mailboxes.written(askedAt)
      return orphans
    },
  }
}
