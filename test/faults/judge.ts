import { acceptedAt, type Execution, type Ledger, type Message, type Sent } from './ledger.ts'
import { surfaces, type Surface } from './surfaces.ts'
import { homesOf, neighbour, type Team } from './teams.ts'

/** Slack's own limit. */
export const SLACK_MS = 3000

/** What a fault gives a reason for. */
export interface Excuses {
  /** Why an event that a region has taken may be delivered again: the gateway that heard of it is gone. */
  readonly mayRepeat?: boolean
  /** The gateway goes away: connections break, and nobody is told anything there. */
  readonly mayHangUp?: boolean
  /** A region may be sent the same click twice: it has said so. */
  readonly idempotent?: boolean
  /**
   * So many milliseconds after an event was accepted another gateway may not know yet that it waits, and give a later one
   * to the region at once; after a silence so long after its end. What waits itself keeps its order even so.
   */
  readonly othersKnowWithinMs?: number
  /** The signatures that regions see are from another time. */
  readonly clockIsWrong?: boolean
}

/** What became of the requests of one surface. Every request is counted in one of the first four, and late besides. */
export interface Row {
  readonly surface: Surface | 'command, neighbour'
  readonly sent: number
  /** Came to what it was sent for, exactly once. */
  readonly once: number
  readonly more: number
  /** Of these, the ones that nothing gives a reason for. */
  readonly moreForNoReason: number
  readonly lost: number
  /** Got an error: an event that Slack sends again, a click that can be tried again. */
  readonly toldNo: number
  /** Every answer within Slack's time. */
  readonly inTime: number
  readonly late: number
  /** The connection broke, or nothing ever came. */
  readonly hungUp: number
  /** What broke them, as far as that is known. */
  readonly brokeBy: readonly string[]
  readonly outOfOrder: number
  readonly slowestMs: number
}

export interface Verdict {
  readonly rows: readonly Row[]
  readonly notes: readonly string[]
  /** Why it is not good; empty where it is. */
  readonly failures: readonly string[]
}

type Fate = 'once' | 'more' | 'lost' | 'toldNo'

/** Whether something that was promised has not arrived yet. */
export function isPending(ledger: Ledger, excuses: Excuses): boolean {
  const facts = factsOf(ledger)
  return [...ledger.sent.values()].some((sent) => fateOf(sent, facts, excuses) === 'lost')
}

export function judge(ledger: Ledger, excuses: Excuses): Verdict {
  const facts = factsOf(ledger)
  const overtaken = overtakers(ledger, facts, excuses)
  const failures = [...ledger.complaints]
  const bySurface = Map.groupBy(ledger.sent.values(), rowOf)
  const rows = [...surfaces, 'command, neighbour' as const].flatMap((surface): Row[] => {
    const all = bySurface.get(surface)
    if (all === undefined) return []
    const fates = Map.groupBy(all, (sent) => fateOf(sent, facts, excuses))
    const count = (fate: Fate): number => fates.get(fate)?.length ?? 0
    const answered = all.flatMap(({ tries }) => {
      const times = tries.filter(({ heard }) => heard !== undefined).map((one) => one.endedAt - one.startedAt)
      return times.length > 0 ? [Math.max(...times)] : []
    })
    const late = answered.filter((ms) => ms > SLACK_MS).length
    const row: Row = {
      surface,
      sent: all.length,
      once: count('once'),
      more: count('more'),
      moreForNoReason: (fates.get('more') ?? []).filter((sent) => !mayComeTwice(sent, excuses)).length,
      lost: count('lost'),
      toldNo: count('toldNo'),
      inTime: answered.length - late,
      late,
      hungUp: all.filter(({ tries }) => tries.some(({ heard }) => heard === undefined)).length,
      brokeBy: [...new Set(all.flatMap(({ tries }) => tries.flatMap(({ brokeBy }) => brokeBy ?? [])))],
      outOfOrder: surface === 'event' ? overtaken.length : 0,
      slowestMs: Math.round(Math.max(0, ...answered)),
    }
    failures.push(...failuresOf(row, excuses).map((failure) => `${surface}: ${failure}`))
    return [row]
  })
  const unsigned = ledger.executions.filter(({ signed }) => !signed).length
  if (unsigned > 0 && excuses.clockIsWrong !== true)
    failures.push(`${unsigned} requests reached a region without a signature of Slack's that is good now`)
  return { rows, notes: ledger.notes, failures }
}

/** Nothing else is wrong: what went on beside it may have kept the gateway from its core. */
export function isLateOnly({ rows, failures }: Verdict): boolean {
  return failures.length > 0 && failures.length === rows.filter(({ late }) => late > 0).length
}

/** What goes to the region next door shall not notice that anything is wrong. */
function rowOf({ surface, team }: Sent): Row['surface'] {
  return surface === 'command' && team === neighbour ? 'command, neighbour' : surface
}

/** An event that was refused and is sent again has been taken by some of its regions, perhaps. */
function mayComeTwice({ surface, tries }: Sent, { mayRepeat }: Excuses): boolean {
  return (
    surface === 'event' && (mayRepeat === true || tries.some(({ heard }) => heard !== undefined && heard.status >= 300))
  )
}

function failuresOf(row: Row, { mayHangUp, clockIsWrong }: Excuses): string[] {
  const failures: string[] = []
  if (row.lost > 0) failures.push(`${row.lost} lost`)
  if (row.late > 0) failures.push(`${row.late} answered later than ${SLACK_MS} ms, the slowest after ${row.slowestMs}`)
  if (row.outOfOrder > 0) failures.push(`${row.outOfOrder} out of order`)
  if (row.moreForNoReason > 0) failures.push(`${row.moreForNoReason} more than once`)
  if (row.surface === 'command, neighbour' && row.toldNo > 0 && mayHangUp !== true && clockIsWrong !== true)
    failures.push(`${row.toldNo} told no, though their region is well`)
  if (row.hungUp > 0 && mayHangUp !== true)
    failures.push([`${row.hungUp} got no answer at all`, ...row.brokeBy].join(': '))
  return failures
}

interface Facts {
  readonly executions: ReadonlyMap<string, readonly Execution[]>
  readonly messages: ReadonlyMap<string, readonly Message[]>
  readonly unknownPosts: ReadonlySet<string>
}

function factsOf({ executions, messages, unknownPosts }: Ledger): Facts {
  return {
    executions: Map.groupBy(executions, ({ mark }) => mark),
    messages: Map.groupBy(
      messages.filter(({ refused }) => !refused),
      ({ mark }) => mark,
    ),
    unknownPosts,
  }
}

function fateOf(sent: Sent, facts: Facts, excuses: Excuses): Fate {
  return sent.surface === 'event' ? fateOfEvent(sent, facts) : fateOfClick(sent, facts, excuses)
}

/** Accepted: each region that it concerns has to take it, and to take it once. */
function fateOfEvent(sent: Sent, { executions }: Facts): Fate {
  if (acceptedAt(sent) === undefined) return 'toldNo'
  const takings = (executions.get(sent.mark) ?? []).filter(({ takenAt }) => takenAt !== undefined)
  const counts = homesOf(sent.team).map((names) => takings.filter(({ region }) => names.includes(region)).length)
  if (counts.includes(0)) return 'lost'
  return counts.some((count) => count > 1) ? 'more' : 'once'
}

/** Whoever clicked has to see exactly one thing: an answer, an error, or a message. */
function fateOfClick(sent: Sent, { executions, messages, unknownPosts }: Facts, excuses: Excuses): Fate {
  const asked = executions.get(sent.mark) ?? []
  const isCarriedOutTwice = homesOf(sent.team).some(
    (names) => asked.filter(({ region }) => names.includes(region)).length > 1,
  )
  const heard = sent.tries[0]?.heard
  const posted = messages.get(sent.mark) ?? []
  // A connection that breaks is an error that Slack shows; that a message comes as well is then nobody's fault.
  const seen = posted.length + (heard !== undefined && (heard.status >= 300 || heard.body !== '') ? 1 : 0)
  if (isCarriedOutTwice && excuses.idempotent !== true) return 'more'
  if (seen > 1) return 'more'
  if (heard === undefined && excuses.mayHangUp === true) return seen === 1 ? 'once' : 'toldNo'
  if (seen === 0) return heard?.requestId !== undefined && unknownPosts.has(heard.requestId) ? 'toldNo' : 'lost'
  const says = posted[0]?.body ?? heard?.body ?? ''
  return says.includes(`taken: ${sent.mark}`) ? 'once' : 'toldNo'
}

/**
 * Events that a region took before an earlier one of their mailbox that was waiting there. Earlier: accepted before the
 * later one was sent for the first time, since nothing is promised of what is on its way together.
 */
function overtakers(ledger: Ledger, { executions }: Facts, { othersKnowWithinMs = 0 }: Excuses): Sent[] {
  // A silence keeps others from what was accepted in it, or so shortly before that they had not heard of it; the silence
  // of a move also from what has long been known: it is known of the mailbox that it has left.
  const mayNotKnow = (team: Team, accepted: number, sentAt: number): boolean =>
    sentAt < accepted + othersKnowWithinMs ||
    ledger.silences.some(
      (silence) =>
        (silence.team === undefined ? accepted >= silence.from - othersKnowWithinMs : silence.team === team) &&
        sentAt >= silence.from &&
        sentAt < silence.until + othersKnowWithinMs,
    )
  const events = [...ledger.sent.values()].filter((sent) => sent.surface === 'event' && acceptedAt(sent) !== undefined)
  const overtaking = new Set<Sent>()
  for (const chain of Map.groupBy(events, ({ team }) => team).values()) {
    for (const names of chain[0] === undefined ? [] : homesOf(chain[0].team)) {
      const taken = chain.flatMap((sent) => {
        const first = (executions.get(sent.mark) ?? []).find(
          ({ region, takenAt }) => names.includes(region) && takenAt !== undefined,
        )
        return first?.takenAt === undefined ? [] : [{ sent, takenAt: first.takenAt, waited: first.deferred }]
      })
      for (const earlier of taken.filter(({ waited }) => waited)) {
        const accepted = acceptedAt(earlier.sent) ?? Infinity
        for (const later of taken) {
          const sentAt = later.sent.tries[0]?.startedAt ?? 0
          if (sentAt < accepted || later.takenAt >= earlier.takenAt) continue
          if (later.waited || !mayNotKnow(earlier.sent.team, accepted, sentAt)) overtaking.add(later.sent)
        }
      }
    }
  }
  return [...overtaking]
}
