import { orphanOf, storedId, type AnswerColumns } from '../rows.ts'
import { LEASE_MS, type Claim, type NewOwedAnswer, type NewRow, type Sealed, type Settlement } from '../spool.ts'
import type { MetMailbox } from './known.ts'
import { countMailboxes, lockMailboxes, setOwner, type LockedMailboxes, type Transaction } from './mailboxes.ts'
import { settleMoved } from './moves.ts'
import { append, countGone, readHeads, settle, type Settling } from './rows.ts'
import { statements } from './statements.ts'

/** What shares transactions with others of its kind, and renews the lease. */
export type Call =
  | { readonly kind: 'renew' }
  | { readonly kind: 'append'; readonly rows: readonly NewRow[] }
  | { readonly kind: 'settle'; readonly claim: Claim; readonly settlement: Settlement }
  | { readonly kind: 'release'; readonly mailbox: number; readonly fence: number }
  | { readonly kind: 'next'; readonly mailbox: number }
  | { readonly kind: 'owe'; readonly answer: NewOwedAnswer }
  | { readonly kind: 'posting'; readonly delivery: string; readonly message: Sealed }
  | { readonly kind: 'unposted'; readonly delivery: string }
  | { readonly kind: 'paid'; readonly delivery: string }
  | { readonly kind: 'takeOver' }
  /** Takes back what a transaction has stored whose caller has been told that it was not. */
  | { readonly kind: 'unstore'; readonly rows: readonly number[]; readonly transaction: string }
  /** Lets others have at once what is this instance's. */
  | { readonly kind: 'giveBack' }

/** An error: of this call alone. */
export type CallResult = { readonly result: unknown } | { readonly error: Error }

/** `met`: the mailboxes that something has come into or gone from, and what was found of others. */
export interface Carried {
  readonly results: readonly CallResult[]
  readonly met: readonly MetMailbox[]
}

type Kind = Call['kind']
type Of<Named extends Kind> = Extract<Call, { kind: Named }>

/** These are carried out alone: they lock other mailboxes than they name. */
const alone: ReadonlySet<Kind> = new Set(['unstore', 'giveBack'])
const goesAlone = (call: Call): boolean =>
  alone.has(call.kind) || (call.kind === 'settle' && call.settlement.kind === 'moved')

/**
 * How many of the calls at the head of a queue one transaction may carry out. Within it ends of attempts come first,
 * then what is appended, then the heads that are asked for: where calls that concern one mailbox have come in another
 * order, the later ones wait for the next transaction.
 */
export function fitsTogether(calls: readonly Call[]): number {
  const asked = new Set<number>()
  const settled = new Set<number>()
  const answers = new Set<string>()
  for (const [at, call] of calls.entries()) {
    if (goesAlone(call)) return Math.max(at, 1)
    switch (call.kind) {
      case 'settle': {
        const { claim } = call
        if (settled.has(claim.row) || (claim.kind === 'held' ? asked.size > 0 : asked.has(claim.mailbox))) return at
        settled.add(claim.row)
        break
      }
      case 'release':
        if (asked.has(call.mailbox)) return at
        break
      case 'next':
        asked.add(call.mailbox)
        break
      case 'owe':
      case 'posting':
      case 'unposted':
      case 'paid': {
        const delivery = call.kind === 'owe' ? call.answer.delivery : call.delivery
        if (answers.has(delivery)) return at
        answers.add(delivery)
        break
      }
      case 'renew':
      case 'append':
      case 'takeOver':
      case 'unstore':
      case 'giveBack':
    }
  }
  return calls.length
}

/**
 * Carries calls that fit together out, in as many statements as there are kinds of them. `sentAt`: what the monotonic
 * clock showed before the transaction was begun.
 */
export async function carryOut(tx: Transaction, calls: readonly Call[], sentAt: number): Promise<Carried> {
  const [first] = calls
  if (first?.kind === 'unstore') return await unstore(tx, first)
  if (first?.kind === 'giveBack') return await giveBack(tx)
  if (first?.kind === 'settle' && first.settlement.kind === 'moved') {
    const { locked, result } = await settleMoved(tx, first.claim, first.settlement)
    return { results: [{ result }], met: await countMailboxes(tx, locked) }
  }
  const results = new Map<Call, CallResult>()
  const answer = (some: readonly Call[], found: readonly unknown[]): void => {
    for (const [at, call] of some.entries()) results.set(call, { result: found[at] })
  }
  answer(
    of(calls, 'renew'),
    of(calls, 'renew').map(() => sentAt + LEASE_MS),
  )
  const met = await inMailboxes(tx, calls, { answer, sentAt })
  await carryOutAnswers(tx, calls, { answer, results })
  return { results: calls.map((call) => results.get(call) ?? { result: undefined }), met }
}

interface Answering {
  readonly answer: (some: readonly Call[], found: readonly unknown[]) => void
}

async function inMailboxes(
  tx: Transaction,
  calls: readonly Call[],
  { answer, sentAt }: Answering & { readonly sentAt: number },
): Promise<MetMailbox[]> {
  const [settles, releases, appends] = [of(calls, 'settle'), of(calls, 'release'), of(calls, 'append')]
  const nexts = of(calls, 'next')
  if (settles.length + releases.length + appends.length + nexts.length === 0) return []
  const claims = settles.map(({ claim }) => claim)
  const locked = await lockMailboxes(tx, {
    ids: [...claims.flatMap((claim) => (claim.kind === 'mailbox' ? [claim] : [])), ...releases, ...nexts].map(
      ({ mailbox }) => mailbox,
    ),
    rows: claims.flatMap((claim) => (claim.kind === 'held' ? [claim.row] : [])),
    addresses: appends.flatMap(({ rows }) => rows.map(({ mailbox }) => mailbox)),
  })
  if (settles.length > 0) {
    const settling = settles.flatMap(({ claim, settlement }): Settling[] =>
      settlement.kind === 'moved' ? [] : [{ claim, settlement }],
    )
    answer(settles, await settle(tx, locked, settling))
  }
  for (const { mailbox, fence } of releases) {
    const box = locked.get(mailbox)
    if (box?.owner === tx.instance && box.fence === fence) setOwner(box, null)
  }
  if (appends.length > 0) {
    answer(
      appends,
      await append(
        tx,
        locked,
        appends.map(({ rows }) => rows),
      ),
    )
  }
  const mailboxes = [...new Set(nexts.map(({ mailbox }) => mailbox))]
  const heads = await readHeads(tx, locked, { mailboxes, sentAt })
  answer(
    nexts,
    nexts.map(({ mailbox }) => heads[mailboxes.indexOf(mailbox)]),
  )
  const found = mailboxes.flatMap((id, at): MetMailbox[] => {
    const kind = heads[at]?.kind
    return kind === 'empty' || kind === 'paused' ? [{ id, isEmpty: kind === 'empty', isPaused: kind === 'paused' }] : []
  })
  return [...(await countMailboxes(tx, locked)), ...found]
}

async function carryOutAnswers(
  tx: Transaction,
  calls: readonly Call[],
  { answer, results }: Answering & { readonly results: Map<Call, CallResult> },
): Promise<void> {
  const owes = of(calls, 'owe')
  if (owes.length > 0) {
    const owed = new Set(
      await owe(
        tx,
        owes.map((call) => call.answer),
      ),
    )
    for (const call of owes) {
      const error = new Error(`an answer is owed for the delivery ${call.answer.delivery} already, says the database`)
      results.set(call, owed.has(call.answer.delivery) ? { result: undefined } : { error })
    }
  }
  const postings = of(calls, 'posting')
  if (postings.length > 0) {
    const found = await tx.ask<{ delivery: string }>(
      statements.posting,
      tx.instance,
      postings.map(({ delivery }) => delivery),
      postings.map(({ message }) => message.keyId ?? null),
      postings.map(({ message }) => message.bytes),
    )
    const own = new Set(found.map(({ delivery }) => delivery))
    answer(
      postings,
      postings.map(({ delivery }) => own.has(delivery)),
    )
  }
  for (const kind of ['unposted', 'paid'] as const) {
    const deliveries = of(calls, kind).map(({ delivery }) => delivery)
    if (deliveries.length > 0) await tx.ask(statements[kind], tx.instance, deliveries)
  }
  const takeOvers = of(calls, 'takeOver')
  if (takeOvers.length > 0) {
    const orphans = await tx.ask<AnswerColumns>(statements.takeOver, tx.instance, tx.time)
    answer(
      takeOvers,
      takeOvers.map((_, at) => (at === 0 ? orphans.map(orphanOf) : [])),
    )
  }
}

async function owe(tx: Transaction, answers: readonly NewOwedAnswer[]): Promise<string[]> {
  const stored = await tx.ask<{ delivery: string }>(
    statements.owe,
    answers.map(({ delivery }) => delivery),
    answers.map(({ provider }) => provider),
    answers.map(({ integration }) => storedId(integration)),
    answers.map(({ receivedAt }) => receivedAt),
    answers.map(({ request }) => request.keyId ?? null),
    answers.map(({ request }) => request.bytes),
    answers.map(({ message }) => message?.keyId ?? null),
    answers.map(({ message }) => message?.bytes ?? null),
    tx.instance,
  )
  return stored.map(({ delivery }) => delivery)
}

/**
 * Only what nobody has touched since: who was told `duplicate` meanwhile relies on the row. A held one that stays waits
 * for nobody's first attempt any more.
 */
async function unstore(tx: Transaction, { rows, transaction }: Of<'unstore'>): Promise<Carried> {
  const locked = await lockMailboxes(tx, { rows })
  countGone(locked, await tx.ask(statements.unstore, rows, transaction))
  await tx.ask(statements.unholdOwn, rows, tx.instance)
  return { results: [{ result: undefined }], met: await countMailboxes(tx, locked) }
}

async function giveBack(tx: Transaction): Promise<Carried> {
  const own = await tx.ask<{ id: number }>(statements.ownMailboxes, tx.instance)
  const locked: LockedMailboxes = await lockMailboxes(tx, { ids: own.map(({ id }) => id) })
  for (const box of locked.all()) if (box.owner === tx.instance) setOwner(box, null)
  await countMailboxes(tx, locked)
  await tx.ask(statements.giveBackRows, tx.instance)
  await tx.ask(statements.giveBackAnswers, tx.instance)
  await tx.ask(statements.endLease, tx.instance)
  return { results: [{ result: undefined }], met: [] }
}

function of<Named extends Kind>(calls: readonly Call[], kind: Named): Of<Named>[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the compiler does not see it of a name that is one of many
  return calls.filter((call) => call.kind === kind) as Of<Named>[]
}
