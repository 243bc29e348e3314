import type { Arguments, Operation, Result, SpoolConnection } from '../../src/spool/sqlite/transaction.ts'
import { keyOf, type Answered, type Arrived, type Called, type Posted, type Story } from './facts.ts'
import type { GatewayProcess, Watcher } from './gateway-process.ts'
import { judgeStories } from './judge-stories.ts'
import type { Schedule, SimWebhook } from './schedule.ts'
import type { VirtualTime } from './virtual-time.ts'
import type { VirtualRequest } from './virtual-undici.ts'

export interface Failure {
  /** Which of the things that always hold did not. */
  readonly broken: string
  readonly why: string
}

export interface Findings {
  readonly failures: readonly Failure[]
  readonly coverage: ReadonlySet<string>
  readonly trace: readonly string[]
}

type Told<Named extends Operation> = (of: GatewayProcess, args: Arguments<Named>, result: Result<Named>) => void

/** What an answer may be late by: a commit that was given its least time, and the turns of the event loop around it. */
const LATE_BY_MS = 100

/** How long the directory takes to say where somebody lives, and a call to wait for its turn after that. */
const ASKING_MS = 10
const LONGEST_CALL_MS = 10_020

/** Where an organization lives from then on. */
interface Lived {
  readonly since: number
  readonly region: string
  readonly held: boolean
}

interface Mailbox {
  readonly region: string
  /** As `keyOf` names it. */
  readonly key: string
}

const REFUSING: ReadonlySet<string> = new Set(['400', '409', '410', '413', '415', '422'])

/** Statuses that are treated alike are one case. */
function classOf(behaviour: string): string {
  if (behaviour === '200') return 'answers'
  if (REFUSING.has(behaviour)) return 'refuses what it gets'
  if (/^4\d\d$/.test(behaviour)) return 'rejects us'
  return /^5\d\d$/.test(behaviour) ? 'fails' : behaviour
}

/**
 * Sees everything that happens in a world, and knows what must never happen in it. What can only be said at the end is
 * said by `judge`.
 */
export function createObserver(
  schedule: Schedule,
  parts: { time: VirtualTime; connection: SpoolConnection; beginning: number; tracing: boolean },
) {
  const { time, connection, beginning, tracing } = parts
  const { database } = connection
  const failures: Failure[] = []
  const coverage = new Set<string>()
  const trace: string[] = []
  const stories = new Map<string, Story>(
    schedule.webhooks.map((webhook) => [webhook.key, { webhook, arrivals: [], calls: [], posts: [], endings: [] }]),
  )
  const arrivals = new Map<string, Arrived>()
  const calls = new Map<VirtualRequest, Called>()
  const posts = new Map<VirtualRequest, Posted>()
  const running = new Set<Called>()
  const retries = new Map<string, number>()
  const gateways = new Set<GatewayProcess>()
  /** Heads that were tried last, by process, delivery and region. */
  const heads = new Map<GatewayProcess, Map<string, { readonly mailbox: Mailbox; readonly since: number }>>()
  /** Where each organization has lived, since when. */
  const homes = new Map(
    schedule.integrations.flatMap(({ organizations }) =>
      organizations.map(({ id, region }): [string, Lived[]] => [id, [{ since: -Infinity, region, held: false }]]),
    ),
  )
  const mailboxes = new Map<number, Mailbox>()
  /** Who claimed a mailbox last. */
  const claims = new Map<number, GatewayProcess>()
  const breakers = new Map<string, string>()
  const faults: { readonly kind: string; readonly at: number }[] = []
  /** The order in which deliveries were stored first. */
  const ranks = new Map<string, number>()
  /** Who stored a row, and when. */
  const stored = new Map<number, { readonly by: GatewayProcess; readonly at: number }>()

  const keyOfDelivery = (delivery: string): string => delivery.slice(0, delivery.indexOf('.'))
  const storyOf = (key: string): Story => {
    const story = stories.get(key)
    if (story === undefined) throw new Error(`Nobody sent ${key}`)
    return story
  }
  const note = (what: string, key?: string): void => {
    if (tracing) trace.push(`${(time.monotonic - beginning).toFixed(1).padStart(10)} ${(key ?? '').padEnd(5)} ${what}`)
  }
  const cover = (what: string): void => void coverage.add(what)
  const fail = (broken: string, why: string): void => {
    note(`!!! ${broken}: ${why}`)
    failures.push({ broken, why })
  }
  const isAlive = ({ state }: GatewayProcess): boolean => state !== 'dead'

  function coverFault(kind: string, surface: string): void {
    cover(`fault:${kind}`)
    cover(`pair:${kind}/${surface}`)
  }

  function lookAtBreaker(of: GatewayProcess, region: string): void {
    const state = of.regions.get(region)?.breaker.state
    if (state === undefined) return
    const name = `${of.name} ${region}`
    const before = breakers.get(name) ?? 'closed'
    if (before === state) return
    breakers.set(name, state)
    cover(`breaker:${before} to ${state}`)
    note(`${of.name}'s breaker of ${region} is ${state}`)
  }

  function readMailbox(id: number): Mailbox {
    const row = database.prepare('SELECT integration_id, region FROM mailboxes WHERE id = ?').get(id)
    const region = String(row?.['region'])
    return { region, key: `${String(row?.['integration_id'])}/${region}` }
  }

  function remaining(sql: string): number {
    return Number(database.prepare(sql).get()?.['n'])
  }

  function disown(of: GatewayProcess): void {
    for (const call of running) if (call.from === of) call.orphaned = true
  }

  /** What is noted of each call of the store. */
  const told: { readonly [Named in Operation]?: Told<Named> } = {
    settle(of, [claim, settlement], isDone) {
      const late = isDone ? '' : ' too late'
      cover(`settled:${claim.kind} ${settlement.kind}${late}`)
      note(`${of.name} settles row ${claim.row} (${claim.kind}): ${settlement.kind}${late}`)
    },
    append(of, [rows], results) {
      for (const [at, row] of rows.entries()) {
        const result = results[at]
        cover(`append:${row.state.kind} ${result?.kind ?? 'nothing'}`)
        note(`${of.name} appends ${row.state.kind} to ${keyOf(row.mailbox)}: ${JSON.stringify(result)}`, row.delivery)
        if (result?.kind !== 'stored' || row.state.kind === 'dead') continue
        if (!ranks.has(row.delivery)) ranks.set(row.delivery, ranks.size)
        stored.set(result.id, { by: of, at: time.monotonic })
      }
    },
    next(of, [mailbox], next) {
      cover(`next:${next.kind}`)
      if (next.kind !== 'row') return
      const before = claims.get(mailbox)
      if (before !== undefined && before !== of && before.state !== 'running') {
        cover(`takeover:mailbox of one that is ${before.state}`)
      }
      claims.set(mailbox, of)
      mailboxes.set(mailbox, readMailbox(mailbox))
    },
    takeOver(of, _, orphans) {
      for (const { delivery, state } of orphans) {
        cover(`takeover:answer ${state.kind}`)
        note(`${of.name} takes over the answer, ${state.kind}`, delivery)
      }
    },
    owe(of, [{ delivery }]) {
      cover('owed:owed')
      note(`${of.name} owes an answer`, delivery)
    },
    posting(of, [delivery], isOurs) {
      cover(`owed:${isOurs ? 'posting' : 'not ours to post'}`)
      note(`${of.name} ${isOurs ? 'is about to post' : 'has nothing to post any more'}`, delivery)
    },
    unposted(of, [delivery]) {
      cover('owed:not posted')
      note(`${of.name} has not posted it`, delivery)
    },
    paid(of, [delivery]) {
      cover('owed:paid')
      note(`${of.name} owes nothing any more`, delivery)
    },
    giveBack(of) {
      of.leasedUntil = 0
      disown(of)
    },
    sweep(of, _, { died, removed }) {
      if (died.length + removed > 0)
        note(`${of.name} sweeps ${died.length} that waited too long, and ${removed} letters`)
    },
  }

  const watcher: Omit<Watcher, 'born'> = {
    committed(of, { operation, args }, result) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they are this operation's
      const tell = told[operation] as ((of: GatewayProcess, args: unknown, result: unknown) => void) | undefined
      tell?.(of, args, result)
    },
    leased(of) {
      if (time.monotonic < of.leasedUntil) return
      disown(of)
      if (of.leasedUntil > 0) cover('lease:lapsed and renewed')
    },
    log(of, level, fields, message) {
      if (level === 'error' || message === 'late answer')
        note(`${of.name} ${level} ${message} ${JSON.stringify(fields)}`)
      if (message !== 'late answer') {
        if (message === 'A call for a late answer failed')
          fail('internal error', `${message} ${JSON.stringify(fields)}`)
        return
      }
      const result = String(fields['result'])
      cover(`ending:${result}`)
      storyOf(keyOfDelivery(String(fields['delivery']))).endings.push({ result, by: of })
      if (result === 'internal_error') fail('internal error', JSON.stringify(fields))
    },
    tries(of, id, { delivery }) {
      const mailbox = mailboxes.get(id)
      if (mailbox === undefined) return fail('internal error', `${of.name} tries a mailbox that it has not claimed`)
      const here = heads.get(of) ?? new Map<string, { mailbox: Mailbox; since: number }>()
      heads.set(of, here)
      here.set(`${delivery} ${mailbox.region}`, { mailbox, since: time.monotonic })
    },
  }

  /** Whoever sends has asked where the organizations live: what waits just before, what comes as its gateway may remember. */
  function checkHome(call: Called, asked: number): void {
    for (const organization of call.organizations) {
      const lived = homes.get(organization) ?? []
      const known = lived.filter((_, at) => (lived[at + 1]?.since ?? Infinity) >= asked)
      if (known.some(({ region, held }) => region === call.region && !held)) continue
      const broken = known.some(({ region }) => region === call.region) ? 'sent while held' : 'sent to a former home'
      fail(broken, `${call.from.name} sends ${call.delivery} to ${call.region} for ${organization}`)
    }
  }

  /** When whoever sends this may have asked at the earliest. */
  function askedAt({ delivery, mailbox, at }: Called, since: number | undefined, attempt: number): number {
    if (mailbox !== undefined) return since ?? at
    const arrived = arrivals.get(delivery)
    const isExcused = schedule.faults.some(({ kind }) => kind === 'directory_away' || kind === 'suspended')
    if (isExcused || arrived === undefined) return -Infinity
    return attempt === 1 ? arrived.plannedAt - schedule.cacheMs - ASKING_MS : at - LONGEST_CALL_MS
  }

  function checkAlone(call: Called): void {
    const { from, mailbox: where, delivery } = call
    if (where === undefined) return
    if (time.monotonic >= from.leasedUntil) {
      fail(
        'sent without a lease',
        `${from.name} sends ${delivery} of ${where}, ${time.monotonic - from.leasedUntil} ms late`,
      )
    }
    for (const other of running) {
      const isSame = other.mailbox === undefined ? isFirstOf(other, call) : other.mailbox === where
      if (other === call || other.orphaned || !isSame) continue
      if (!isAlive(other.from) || time.monotonic >= other.from.leasedUntil) continue
      fail('two at once', `${from.name} sends ${delivery} of ${where} while ${other.from.name} sends ${other.delivery}`)
    }
  }

  function isFirstOf(first: Called, call: Called): boolean {
    return first.delivery === call.delivery && first.region === call.region
  }

  /** What comes for a mailbox that its process knows something to wait in goes behind that. */
  function checkTurn(call: Called): void {
    for (const organization of call.organizations) checkTurnOf(organization, call)
  }

  function checkTurnOf(organization: string, call: Called): void {
    const { from, delivery, region, mailbox } = call
    const arrived = arrivals.get(delivery)
    const { integration, surface } = storyOf(keyOfDelivery(delivery)).webhook
    if (mailbox !== undefined || surface !== 'event' || arrived === undefined) return
    // Whoever knows where it lives knows where it has lived, and may know something to wait there.
    const knowsHome = askedAt(call, undefined, 1) >= (homes.get(organization)?.at(-1)?.since ?? Infinity)
    const waiting = database
      .prepare(
        `SELECT row.id, row.delivery FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
         WHERE box.integration_id = ? AND row.delivery <> ? AND (box.region IN (?, '@' || ?)
           OR (? AND box.region <> '' AND EXISTS (SELECT 1 FROM json_each(row.organizations) WHERE value = ?)))`,
      )
      .all(Number(integration), delivery, region, organization, Number(knowsHome), organization)
    for (const { id, delivery: before } of waiting) {
      const known = stored.get(Number(id))
      if (known?.by !== from || known.at >= arrived.plannedAt) continue
      fail('out of turn', `${from.name} sends ${delivery} to ${region} at once, while ${String(before)} waits`)
    }
  }

  /** What was spooled for an organization before it waits nowhere any more, wherever the organization lived then. */
  function checkPast({ from, delivery, organizations, region, mailbox }: Called): void {
    const { integration, surface } = storyOf(keyOfDelivery(delivery)).webhook
    if (mailbox === undefined || surface !== 'event') return
    for (const organization of organizations) {
      const waiting = database
        .prepare(
          `SELECT row.delivery, box.region FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
           WHERE box.integration_id = ? AND EXISTS (SELECT 1 FROM json_each(row.organizations) WHERE value = ?)`,
        )
        .all(Number(integration), organization)
      for (const { delivery: before, region: where } of waiting) {
        if ((ranks.get(String(before)) ?? Infinity) >= (ranks.get(delivery) ?? -1)) continue
        fail(
          'out of order',
          `${from.name} sends ${delivery} to ${region} while ${String(before)} waits in ${String(where)}`,
        )
      }
    }
  }

  return {
    note,
    cover,
    fail,
    watcher,
    hasFailed: () => failures.length > 0,

    started: (gateway: GatewayProcess) => void gateways.add(gateway),
    lives(organization: string, { region, held }: { region: string; held: boolean }) {
      homes.get(organization)?.push({ since: time.monotonic, region, held })
    },
    faulted(kind: string) {
      faults.push({ kind, at: time.monotonic })
      cover(`fault:${kind}`)
      for (const { webhook, arrivals } of stories.values()) {
        const [last] = arrivals.slice(-1)
        if (last !== undefined && time.monotonic - last.at < 10_000) coverFault(kind, webhook.surface)
      }
    },
    suspended(gateway: GatewayProcess) {
      for (const arrived of arrivals.values()) {
        if (arrived.by === gateway && arrived.answer === undefined) arrived.disturbed = true
      }
    },
    died(gateway: GatewayProcess) {
      for (const call of running) if (call.from === gateway) running.delete(call)
      for (const one of arrivals.values()) if (one.by === gateway && one.results === 'awaited') one.results = 'gone'
      for (const [series, count] of gateway.counters.read()) {
        if (count > 0 && series.startsWith('dedup_total')) cover(`dedup:${/kind="(\w+)"/.exec(series)?.[1]}`)
        if (series.startsWith('late_answers_total')) cover(`ending:${/result="(\w+)"/.exec(series)?.[1]}`)
        if (series.startsWith('dead_letters_total')) cover(`dead:${/reason="(\w+)"/.exec(series)?.[1]}`)
      }
    },
    drained(gateway: GatewayProcess) {
      const timers = time.timersOf(gateway)
      for (const one of arrivals.values()) {
        if (one.by === gateway && one.results === 'awaited') fail('no result', `${one.delivery} has none after a drain`)
      }
      if (timers > 0) fail('left behind', `${gateway.name} has ended with ${timers} timers`)
      for (const [region, { inFlight, queued }] of gateway.regions) {
        if (inFlight + queued > 0)
          fail('left behind', `${gateway.name} has ended with ${inFlight + queued} calls to ${region}`)
      }
    },

    arrives(webhook: SimWebhook, by: GatewayProcess, deadline: number): Arrived {
      const story = storyOf(webhook.key)
      const delivery = `${webhook.key}.${story.arrivals.length}`
      const results = 'untold'
      const at = time.monotonic
      const arrived: Arrived = {
        delivery,
        by,
        at,
        deadline,
        readAt: Infinity,
        plannedAt: Infinity,
        plan: undefined,
        results,
        answer: undefined,
        disturbed: false,
      }
      story.arrivals.push(arrived)
      arrivals.set(delivery, arrived)
      note(`${webhook.surface} ${delivery} comes to ${by.name}`, webhook.key)
      cover(`surface:${webhook.surface} to ${webhook.to}${webhook.answerable ? ' with response_url' : ''}`)
      for (const { kind, at: faultAt } of faults) if (at - faultAt < 10_000) coverFault(kind, webhook.surface)
      return arrived
    },
    lastArrival: (key: string) => stories.get(key)?.arrivals.at(-1),
    answers(arrived: Arrived, answer: Omit<Answered, 'at'>) {
      if (arrived.by.state === 'dead' || arrived.answer !== undefined) return
      const at = time.monotonic
      arrived.answer = { ...answer, at }
      const { status, ours, body, ending } = answer
      note(
        `${arrived.delivery} is answered ${status} ${ours ?? ''} ${body} (${ending})`,
        keyOfDelivery(arrived.delivery),
      )
      cover(`answered:${ending}`)
      const lateMs = at - arrived.deadline
      if (lateMs > LATE_BY_MS && !arrived.disturbed) fail('late', `${arrived.delivery} is answered ${lateMs} ms late`)
    },
    /** Requests that will never be answered, since their process has died. */
    cutOff(gateway: GatewayProcess): Arrived[] {
      const cut = [...arrivals.values()].filter((one) => one.by === gateway && one.answer === undefined)
      for (const one of cut) one.disturbed = true
      return cut
    },
    isAccepted: (key: string) =>
      storyOf(key).arrivals.some(({ answer }) => answer !== undefined && answer.status < 300),
    retries: (key: string) => retries.get(key) ?? 0,
    retrying: (key: string) => void retries.set(key, (retries.get(key) ?? 0) + 1),

    behaved: (key: string, kind: string) => coverFault(classOf(kind), storyOf(key).webhook.surface),
    sent(request: VirtualRequest, host: string, key: string) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only processes of this world make clients
      const from = request.from as GatewayProcess
      const at = time.monotonic
      if (host === 'answers') {
        const post: Posted = { from, at, body: request.body, heard: false, status: undefined, over: false }
        posts.set(request, post)
        storyOf(key).posts.push(post)
        note(`${from.name} posts "${post.body}"`, key)
        return
      }
      const delivery = request.headers.get('silo-delivery') ?? ''
      const head = heads.get(from)?.get(`${delivery} ${host}`)
      const call: Called = {
        from,
        region: host,
        delivery,
        organizations: (request.headers.get('silo-organizations') ?? '').split(','),
        at,
        mailbox: head?.mailbox.key,
        orphaned: false,
        over: false,
        carriedOut: false,
        status: undefined,
        says: false,
      }
      calls.set(request, call)
      running.add(call)
      storyOf(key).calls.push(call)
      note(`${from.name} calls ${host} with ${delivery}${call.mailbox ? ' (deferred)' : ''}`, key)
      lookAtBreaker(from, host)
      checkAlone(call)
      checkTurn(call)
      checkPast(call)
      checkHome(call, askedAt(call, head?.since, Number(request.headers.get('silo-attempt'))))
    },
    over(request: VirtualRequest) {
      const call = calls.get(request)
      const post = posts.get(request)
      if (post !== undefined) post.over = true
      if (call === undefined) return
      call.over = true
      running.delete(call)
      // The breaker hears of it in the same turn, after this.
      time.in(0, () => lookAtBreaker(call.from, call.region))
    },
    hasDone: (region: string, key: string) =>
      storyOf(key).calls.some((call) => call.region === region && call.carriedOut),
    callOf: (request: VirtualRequest) => calls.get(request),
    postOf: (request: VirtualRequest) => posts.get(request),

    /** Whether nothing waits any more, and nobody for anything. */
    isQuiet: () =>
      [...arrivals.values()].every(({ answer, by }) => answer !== undefined || !isAlive(by)) &&
      [...running].every(({ from }) => !isAlive(from)) &&
      [...gateways].every((one) => !isAlive(one) || one.owed() === 0) &&
      remaining('SELECT (SELECT count(*) FROM waiting) + (SELECT count(*) FROM owed_answers) AS n') === 0,
    remains(): string {
      const rows = database.prepare('SELECT id, mailbox_id, delivery, held_by, retry_at FROM waiting').all()
      const boxes = database.prepare('SELECT id, region, owner, paused FROM mailboxes').all()
      const owed = database.prepare('SELECT delivery, owner, state FROM owed_answers').all()
      const unanswered = [...arrivals.values()].filter(({ answer, by }) => answer === undefined && isAlive(by))
      return JSON.stringify({
        rows,
        boxes,
        owed,
        unanswered: unanswered.map(({ delivery }) => delivery),
        calls: running.size,
      })
    },

    judge(): Findings {
      if (failures.length === 0) {
        const letters = database
          .prepare('SELECT delivery, region, reason, attempts FROM dead_letters')
          .all()
          .map((letter) => ({
            delivery: String(letter['delivery']),
            region: String(letter['region']),
            reason: String(letter['reason']),
          }))
        for (const { broken, why } of judgeStories([...stories.values()], letters, schedule)) fail(broken, why)
      }
      return { failures, coverage, trace }
    },
  }
}
