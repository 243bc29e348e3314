import { followOrganization, type Followed } from '../../src/delivery/follow.ts'
import type { FormerHomes, Installation, InstallationKey } from '../../src/directory/directory.ts'
import { Refusal, SiloClientError } from '../../src/errors.ts'
import type { Arrival } from '../../src/handle-webhook.ts'
import type { Region, Topology } from '../../src/regions/regions.ts'
import { createSealer } from '../../src/spool/seal.ts'
import { directSpool } from '../../src/spool/sqlite/direct-spool.ts'
import type { Operation, SpoolConnection } from '../../src/spool/sqlite/transaction.ts'
import type { WebhookTrace } from '../../src/telemetry/trace.ts'
import { createDice } from './dice.ts'
import type { Arrived } from './facts.ts'
import { KEYS, startGateway, type GatewayProcess, type Surroundings, type Watcher } from './gateway-process.ts'
import type { Mutation } from './mutations.ts'
import { createObserver, type Findings } from './observer.ts'
import type { Behaviour, Fault, Schedule, SimWebhook } from './schedule.ts'
import { BUDGET_MS, OURS, PROVIDER, virtualProvider } from './virtual-provider.ts'
import { createVirtualTime, type Owner } from './virtual-time.ts'
import type { Connecting, Network, Replying, VirtualRequest } from './virtual-undici.ts'

/** After all faults are over: how long anything may still go on. Nothing waits longer than 5 min for its next attempt. */
const PATIENCE_MS = 12 * 60_000
/** But for what is refused again and again, which is given up after eight times and ten minutes. */
const POISON_MS = 40 * 60_000
/** DRAIN_TIMEOUT_MS, and what is left of it to give back what is owed. */
const DRAIN_MS = 10_000
const GIVE_BACK_MS = 500
/** Slack hangs up after this. */
const SLACK_WAITS_MS = 3000
const RETRIES_MS = [100, 60_000]

interface Home {
  readonly region: string
  readonly held: boolean
  readonly epoch: number
  readonly formerly?: FormerHomes
}

interface Slot {
  gateway: GatewayProcess | undefined
  starting: boolean
  drains: Promise<void> | undefined
}

/** Lets a schedule happen, then heals the world and waits until nothing goes on any more. */
export async function simulate(
  schedule: Schedule,
  connection: SpoolConnection,
  { mutation, tracing }: { mutation: Mutation; tracing: boolean },
): Promise<Findings> {
  connection.tables.clear()
  const dice = createDice(schedule.seed, 'world')
  const time = createVirtualTime({ startedAt: 1_000_000 + dice.float(), wallAt: 1_700_000_000_000 })
  const beginning = time.monotonic
  const webhooks = new Map(schedule.webhooks.map((webhook) => [webhook.key, webhook]))
  const observer = createObserver(schedule, { time, connection, beginning, tracing })
  const note = observer.note

  const lasting = new Set<Fault>()
  const active = <Kind extends Fault['kind']>(kind: Kind): (Fault & { kind: Kind })[] =>
    [...lasting].filter((fault): fault is Fault & { kind: Kind } => fault.kind === kind)
  const homes = new Map<string, Home>(
    schedule.integrations.flatMap((one) =>
      one.organizations.map(({ id, region }) => [id, { region, held: false, epoch: 0 }]),
    ),
  )
  const slots: Slot[] = Array.from({ length: schedule.gateways }, () => ({
    gateway: undefined,
    starting: false,
    drains: undefined,
  }))
  /** What Slack or an operator is still going to do. */
  let planned = 0
  let started = 0

  const later = (ms: number, run: () => void): void => {
    planned += 1
    time.in(ms, () => {
      planned -= 1
      run()
    })
  }

  const regions: Region[] = schedule.regions.map((region) => ({
    ...region,
    address: new URL(`http://${region.name}.example`),
    category: 'multi_tenant',
    state: 'active',
    signingKey: undefined,
    tls: undefined,
  }))
  const topologyOf = (list: readonly Region[]): Topology => ({
    regions: list,
    byName: new Map(list.map((region) => [region.name, region])),
  })
  let topology = topologyOf(regions)

  const around: Surroundings = {
    time,
    connection,
    weather() {
      const [slow] = active('slow_store')
      const isGone = active('store_gone').length > 0
      const noAppends = active('append_fails').length > 0
      const noSettles = active('settle_fails').length > 0
      return {
        commitMs: slow?.commitMs ?? dice.between(1, 4) / 2,
        fails: (operation) =>
          isGone ||
          (noAppends && (operation === 'append' || operation === 'owe')) ||
          (noSettles && ['settle', 'posting', 'unposted', 'paid'].includes(operation)),
      }
    },
    network: createNetwork(),
    directory: (owner) => ({
      find: (key) => asked(owner, () => ({ installation: installationOf(key), version: 0 })),
      ping: () => asked(owner, () => undefined),
      forgetFormerHomes: (organization, until) =>
        asked(owner, () => {
          const { formerly, ...home } = homeOf(organization)
          if (formerly?.until === until) homes.set(organization, home)
          observer.cover('followed:forgotten where it lived')
        }),
    }),
    topology: () => topology,
    provider: virtualProvider(webhooks),
    random: () => dice.float(),
    encrypted: schedule.encrypted,
    maxAgeMs: schedule.maxAgeMs,
    cacheMs: schedule.cacheMs,
    mutation,
  }

  function asked<Result>(owner: Owner, answer: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      time.toProcess(owner, dice.between(0, 3), () => {
        if (active('directory_away').length > 0) reject(new Error('away'))
        else resolve(answer())
      })
    })
  }

  function installationOf(key: InstallationKey): Installation | undefined {
    const id = key.by === 'id' ? key.id : key.externalId.slice(1)
    const integration = schedule.integrations.find((one) => one.id === id)
    if (integration === undefined) return undefined
    return {
      integration: {
        id,
        provider: PROVIDER,
        appId: '',
        externalId: `T${id}`,
        enterpriseId: undefined,
        defaultOrganizationId: undefined,
        name: id,
        status: 'active',
      },
      organizations: integration.organizations.map((one) => ({
        id: one.id,
        slug: one.id,
        name: one.id,
        status: 'active',
        ...homeOf(one.id),
      })),
    }
  }

  function homeOf(organization: string): Home {
    const home = homes.get(organization)
    if (home === undefined) throw new Error(`Nobody knows ${organization}`)
    return home
  }

  /** Writes down where an organization lives from now on, and lets what waits follow it. */
  function settleIn(organization: string, change: Partial<Home>, by: 'gateway' | 'command' | 'nobody'): void {
    const before = homeOf(organization)
    const isMove = change.region !== undefined && change.region !== before.region
    const after: Home = { ...before, ...change, epoch: before.epoch + (isMove ? 1 : 0), ...leaving(before, change) }
    homes.set(organization, after)
    observer.lives(organization, after)
    note(`${organization} lives in ${after.region}${after.held ? ', held' : ''}; ${by} sees to what waits`)
    const integrations = schedule.integrations
      .filter(({ organizations }) => organizations.some(({ id }) => id === organization))
      .map(({ id }) => ({ id, provider: PROVIDER }))
    const moved = { id: organization, before, after, integrations }
    const told = ({ moved, busy }: Followed): void => {
      if (moved > 0) observer.cover(`followed:${by}`)
      if (busy > 0) observer.cover('followed:all but what is being sent')
    }
    const running = slots.flatMap(({ gateway }) => (gateway?.state === 'running' ? [gateway] : []))
    const [gateway] = running
    if (by === 'gateway' && gateway !== undefined) {
      time.toProcess(gateway, 0, () => gateway.track(gateway.follow(moved).then(told)))
    } else if (by === 'command') {
      const sealer = createSealer(schedule.encrypted ? KEYS : [])
      void followOrganization(moved, { spool: commands, sealer }).then(told)
    }
  }

  /** What the directory's editor writes down with a move or a release. */
  function leaving({ region, held, formerly }: Home, change: Partial<Home>): Pick<Home, 'formerly'> {
    const to = change.region ?? region
    if (to === region && !(held && change.held === false)) return {}
    const left = new Set([...(formerly?.regions ?? []), region])
    left.delete(to)
    return { formerly: { regions: [...left], until: time.now } }
  }

  function createNetwork(): Network {
    const left = new Map<string, Behaviour[]>()
    const posts = new Map(schedule.webhooks.map(({ key, posts: first }) => [key, [...first]]))
    const behaviours = (region: string, key: string): Behaviour[] => {
      const name = `${key} ${region}`
      const known = left.get(name) ?? [...(webhooks.get(key)?.calls[region] ?? [])]
      left.set(name, known)
      return known
    }
    const isIdempotent = (name: string): boolean => schedule.regions.some((one) => one.name === name && one.idempotent)
    const hostOf = (origin: string): string => origin.slice(origin.indexOf('/') + 2).split('.')[0] ?? ''
    const keyOf = (path: string): string => path.slice(1)

    function connectToRegion(region: string, key: string): Connecting {
      const [outage] = active('outage').filter((one) => one.region === region)
      const ms = dice.between(1, 3)
      if (outage?.how === 'refuses') return { kind: 'refused', ms }
      if (outage?.how === 'hangs' && dice.chance(0.5)) return { kind: 'never' }
      if (outage !== undefined) return { kind: 'connected', ms }
      const [next] = behaviours(region, key)
      if (next?.kind !== 'refused' && next?.kind !== 'no_connection') return { kind: 'connected', ms }
      behaviours(region, key).shift()
      observer.behaved(key, next.kind)
      return next.kind === 'refused' ? { kind: 'refused', ms } : { kind: 'never' }
    }

    function regionReceives(region: string, key: string, request: VirtualRequest): Replying {
      const call = observer.callOf(request)
      const usual = webhooks.get(key)?.usual[region]
      if (call === undefined || usual === undefined) throw new Error(`${region} got what nobody sent`)
      const reply = (status: number, says: boolean, ms: number, retryAfter?: number): Replying => {
        call.status = status
        call.says = says && status < 300
        call.carriedOut = status < 300
        const headers = retryAfter === undefined ? [] : ['retry-after', String(retryAfter)]
        note(`${region} answers ${status}${call.says ? ' and says something' : ''} in ${ms} ms`, key)
        return { kind: 'reply', status, headers, ms, body: says ? `${region} has done ${key}` : '' }
      }
      const [outage] = active('outage').filter((one) => one.region === region)
      if (outage !== undefined) {
        observer.behaved(key, `outage_${outage.how}`)
        note(`${region} ${outage.how}`, key)
        if (outage.how === 'hangs') return { kind: 'never' }
        if (outage.how === 'refuses' || outage.how === 'resets') return { kind: 'reset', ms: 1 }
        return reply(Number(outage.how), false, 5)
      }
      const next = behaviours(region, key).shift() ?? usual
      // One that knows what it has done does not answer that it will not do it.
      const isKnown = observer.hasDone(region, key) && next.kind === 'reply' && next.status < 500
      const behaviour = isKnown && isIdempotent(region) ? usual : next
      observer.behaved(key, behaviour.kind === 'reply' ? `${behaviour.status}` : behaviour.kind)
      switch (behaviour.kind) {
        case 'reply':
          return reply(behaviour.status, behaviour.says, behaviour.ms, behaviour.retryAfter)
        case 'refused':
        case 'no_connection':
          // On a connection that stood from before.
          note(`${region} hangs up`, key)
          return { kind: 'reset', ms: 1 }
        case 'reset':
        case 'half':
        case 'hang':
          call.carriedOut = behaviour.carriedOut
          note(`${region} ${behaviour.carriedOut ? 'does it, and then: ' : ''}${behaviour.kind}`, key)
          return behaviour.kind === 'hang' ? { kind: 'never' } : { kind: behaviour.kind, ms: behaviour.ms }
      }
    }

    function answerIsPosted(key: string, request: VirtualRequest): Replying {
      const post = observer.postOf(request)
      if (post === undefined) throw new Error('A post that nobody sent')
      const reply = (status: number, ms: number, retryAfter?: number): Replying => {
        post.heard = status < 300
        post.status = status
        note(`the response_url answers ${status}`, key)
        const headers = retryAfter === undefined ? [] : ['retry-after', String(retryAfter)]
        return { kind: 'reply', status, headers, ms, body: '' }
      }
      if (active('answers_unheard').length > 0) return reply(503, 20)
      const next = posts.get(key)?.shift() ?? { kind: 'status', status: 200, ms: 30 }
      observer.behaved(key, `post_${next.kind === 'status' ? next.status : next.kind}`)
      switch (next.kind) {
        case 'status':
          return reply(next.status, next.ms, next.retryAfter)
        case 'refused':
        case 'no_connection':
          return reply(503, 5)
        case 'reset':
        case 'hang':
          post.heard = next.heard
          note(`the response_url ${next.heard ? 'hears it, and then: ' : ''}${next.kind}`, key)
          return next.kind === 'hang' ? { kind: 'never' } : { kind: 'reset', ms: next.ms }
      }
    }

    return {
      connect(origin, path) {
        const host = hostOf(origin)
        const key = keyOf(path)
        if (host !== 'answers') return connectToRegion(host, key)
        const [next] = posts.get(key) ?? []
        if (next?.kind !== 'refused' && next?.kind !== 'no_connection') return { kind: 'connected', ms: 2 }
        posts.get(key)?.shift()
        observer.behaved(key, `post_${next.kind}`)
        return next.kind === 'refused' ? { kind: 'refused', ms: 2 } : { kind: 'never' }
      },
      sent: (request) => observer.sent(request, hostOf(request.origin), keyOf(request.path)),
      receive(request) {
        const host = hostOf(request.origin)
        const key = keyOf(request.path)
        return host === 'answers' ? answerIsPosted(key, request) : regionReceives(host, key, request)
      },
      over: (request) => observer.over(request),
    }
  }

  async function start(slot: Slot): Promise<void> {
    if (slot.starting || (slot.gateway !== undefined && slot.gateway.state !== 'dead')) return
    slot.starting = true
    const name = `g${started++}`
    let born: Owner | undefined
    try {
      const watcher: Watcher = { ...observer.watcher, committed, born: (owner) => (born = owner) }
      const gateway = await startGateway(name, around, watcher)
      slot.gateway = gateway
      slot.starting = false
      observer.started(gateway)
      note(`${name} has started`)
      for (const one of waitingForStart.splice(0)) one()
    } catch (error) {
      note(`${name} could not start: ${error instanceof Error ? error.message : String(error)}`)
      if (born !== undefined) born.state = 'dead'
      slot.starting = false
      later(500, () => void start(slot))
    }
  }
  const waitingForStart: (() => void)[] = []

  /** `like`: the one that the same webhook came to before. */
  function send(webhook: SimWebhook, like?: GatewayProcess): void {
    const open = slots.flatMap(({ gateway }) => (gateway?.state === 'running' && gateway.accepting ? [gateway] : []))
    // What users do is not sent again by Slack: whoever repeats it does so where it was, and the two have no common
    // memory.
    const choice = like === undefined || webhook.surface === 'event' ? open : open.filter((one) => one === like)
    if (choice.length === 0) {
      note('nobody takes it', webhook.key)
      retry(webhook)
      return
    }
    const by = like !== undefined && choice.includes(like) && dice.chance(0.7) ? like : dice.pick(choice)
    const deadline = time.monotonic + BUDGET_MS
    const clock = time.clockOf(by)
    const arrived = observer.arrives(webhook, by, deadline)
    const arrival: Arrival = {
      provider: around.provider,
      door: { kind: 'webhook', surface: webhook.surface, methods: ['POST'] },
      head: { method: 'POST', target: `/${webhook.key}`, headers: {}, rawHeaders: [] },
      peer: { forwardedFor: '192.0.2.1', proto: 'https', host: 'gateway.example', user: undefined },
      requestId: arrived.delivery,
      delivery: arrived.delivery,
      receivedAt: time.now,
      startedAt: time.monotonic,
      deadline,
      readBody: () =>
        new Promise((resolve, reject) => {
          const cancel = clock.after(Math.max(0, deadline - time.monotonic), () =>
            reject(new Refusal('body_timeout', 'too slow')),
          )
          time.toProcess(by, webhook.bodyMs, () => {
            cancel()
            arrived.readAt = time.monotonic
            resolve(Buffer.from(webhook.key))
          })
        }),
    }
    let settled: Promise<unknown> = Promise.resolve()
    const trace: WebhookTrace = {
      traceparent: undefined,
      received() {},
      once() {},
      identified() {},
      resolved() {},
      shed() {},
      planned(plan) {
        arrived.plan = plan
        arrived.plannedAt = time.monotonic
      },
      dispatched(all) {
        arrived.results = 'awaited'
        settled = all.then(
          (results) => (arrived.results = results),
          () => (arrived.results = 'failed'),
        )
      },
      answered: () => Promise.resolve(),
    }
    const answer = async (): Promise<void> => {
      try {
        const { reply, ending } = await by.handle(arrival, trace)
        const at = reply.rawHeaders.indexOf(OURS)
        const ours = at < 0 ? undefined : reply.rawHeaders[at + 1]
        observer.answers(arrived, { status: reply.status, ours, body: reply.body.toString(), ending: ending.kind })
      } catch (failure) {
        if (!(failure instanceof SiloClientError || failure instanceof Refusal)) {
          return observer.fail('internal error', `${arrived.delivery}: ${String(failure)}`)
        }
        note(failure.message, webhook.key)
        const status = failure instanceof SiloClientError ? failure.status : 400
        observer.answers(arrived, { status, ours: 'error', body: '', ending: failure.code })
      }
      ended(arrived)
      await settled
    }
    by.track(answer())
    if (webhook.surface === 'event') later(SLACK_WAITS_MS, () => retry(webhook))
  }

  const afterAnswer = new Map<string, ((by: GatewayProcess) => void)[]>()
  /** Answered, or cut off. */
  function ended({ delivery, by }: Arrived): void {
    const key = delivery.split('.')[0] ?? ''
    for (const one of afterAnswer.get(key) ?? []) one(by)
    afterAnswer.delete(key)
  }

  function retry(webhook: SimWebhook): void {
    if (!schedule.slackRetries || webhook.surface !== 'event' || observer.isAccepted(webhook.key)) return
    const waitMs = RETRIES_MS[observer.retries(webhook.key)]
    if (waitMs === undefined) return
    observer.retrying(webhook.key)
    later(waitMs, () => {
      if (!observer.isAccepted(webhook.key)) send(webhook)
    })
  }

  function die(slot: Slot, how: string): void {
    const { gateway } = slot
    if (gateway === undefined || gateway.state === 'dead') return
    note(`${gateway.name} ${how}`)
    traps.delete(gateway)
    gateway.die(dice.chance(0.5))
    observer.died(gateway)
    for (const arrived of observer.cutOff(gateway)) ended(arrived)
  }

  async function drain(slot: Slot, gateway: GatewayProcess): Promise<void> {
    note(`${gateway.name} drains`)
    let done = false
    let kept = false
    void gateway.drain().then(
      () => (done = true),
      // The store cannot be told, so that its lease has to lapse.
      () => (done = kept = true),
    )
    const wait = (ms: number): Promise<void> =>
      new Promise((resolve) => {
        const poll = (): void => {
          if (done || time.monotonic >= until || gateway.state === 'dead') resolve()
          else time.in(Math.min(20, until - time.monotonic), poll)
        }
        const until = time.monotonic + ms
        poll()
      })
    await wait(DRAIN_MS - GIVE_BACK_MS)
    if (!done && gateway.state !== 'dead') {
      observer.cover('drain:cut')
      void gateway.spool.close().catch(() => {})
      await wait(GIVE_BACK_MS)
      die(slot, 'is cut short')
      return
    }
    if (gateway.state === 'dead') return
    observer.cover(kept ? 'drain:without a store' : 'drain:whole')
    observer.drained(gateway)
    gateway.state = 'dead'
    observer.died(gateway)
  }

  const traps = new Map<GatewayProcess, { readonly after: Operation; readonly run: () => void }>()
  /** At once, or when the next such call of the process has been committed and it has not heard of it yet. */
  function when(gateway: GatewayProcess, after: Operation | undefined, run: () => void): void {
    if (after === undefined) run()
    else traps.set(gateway, { after, run })
  }
  function committed(...[of, call, result]: Parameters<Watcher['committed']>): void {
    observer.watcher.committed(of, call, result)
    const trap = traps.get(of)
    if (trap?.after !== call.operation) return
    traps.delete(of)
    time.in(0, trap.run)
  }

  function begin(fault: Fault): void {
    note(`fault ${JSON.stringify(fault)}`)
    const ends = (run: () => void): void =>
      later('ms' in fault ? fault.ms : 0, () => {
        note(`${fault.kind} is over`)
        run()
      })
    const slot = 'gateway' in fault ? slots[fault.gateway] : undefined
    const gateway = slot?.gateway
    switch (fault.kind) {
      case 'crash':
        if (slot === undefined || gateway === undefined) return
        when(gateway, fault.after, () => {
          if (gateway.state === 'dead' || slot.drains !== undefined) return
          observer.faulted(fault.kind)
          if (fault.after !== undefined) observer.cover(`crash:right after ${fault.after}`)
          die(slot, 'crashes')
          later(fault.ms, () => void start(slot))
        })
        return
      case 'drain':
        if (slot === undefined || gateway === undefined || gateway.state === 'dead' || slot.drains) return
        observer.faulted(fault.kind)
        slot.drains = drain(slot, gateway).finally(() => {
          slot.drains = undefined
          later(fault.ms, () => void start(slot))
        })
        return
      case 'suspended':
        if (gateway === undefined) return
        when(gateway, fault.after, () => {
          if (gateway.state !== 'running') return
          observer.faulted(fault.kind)
          if (fault.after !== undefined) observer.cover(`suspended:right after ${fault.after}`)
          gateway.state = 'suspended'
          observer.suspended(gateway)
          ends(() => {
            if (gateway.state === 'suspended') time.resume(gateway, dice.pick(['timer', 'input']))
          })
        })
        return
      case 'clock_jump':
        observer.faulted(fault.kind)
        time.jump(fault.byMs)
        return
      case 'move':
        observer.faulted(fault.kind)
        settleIn(fault.organization, { region: fault.to }, fault.by)
        return
      case 'hold':
        if (homeOf(fault.organization).held) return
        observer.faulted(fault.kind)
        settleIn(fault.organization, { held: true, ...(fault.to && { region: fault.to }) }, fault.by)
        ends(() => settleIn(fault.organization, { held: false }, fault.by))
        return
      case 'region_state': {
        observer.faulted(fault.kind)
        const set = (state: Region['state']): void => {
          topology = topologyOf(topology.regions.map((one) => (one.name === fault.region ? { ...one, state } : one)))
          for (const { gateway: one } of slots) if (one !== undefined) time.toProcess(one, 0, () => one.look())
        }
        set(fault.state)
        ends(() => set('active'))
        return
      }
      case 'paused': {
        const box = operator(false).find((one) => one === `${fault.integration}/${fault.region}`)
        if (box === undefined) return
        observer.faulted(fault.kind)
        pauseMailbox(fault.integration, fault.region)
        ends(() => void operator(true))
        return
      }
      case 'outage':
      case 'store_gone':
      case 'append_fails':
      case 'settle_fails':
      case 'directory_away':
      case 'answers_unheard':
      case 'slow_store':
        observer.faulted(fault.kind)
        lasting.add(fault)
        ends(() => lasting.delete(fault))
    }
  }

  const commands = directSpool(connection, {
    clock: time.clockOf({ state: 'running' }),
    instance: 'operator',
  })
  /** The mailboxes there are; `resume`: those that are paused are let go. */
  function operator(resume: boolean): string[] {
    const boxes = connection.database.prepare('SELECT id, integration_id AS i, region, paused FROM mailboxes').all()
    for (const { id, paused } of boxes) {
      if (!resume || paused === null) continue
      note(`mailbox ${String(id)} is resumed, which was paused: ${String(paused)}`)
      observer.cover(`resumed:${String(paused)}`)
      void commands.resume(Number(id))
    }
    return boxes.map(({ i, region }) => `${String(i)}/${String(region)}`)
  }
  function pauseMailbox(integration: string, region: string): void {
    const found = connection.database
      .prepare('SELECT id FROM mailboxes WHERE integration_id = ? AND region = ?')
      .get(Number(integration), region)
    if (found !== undefined) void commands.pause(Number(found['id']), 'by hand')
  }

  for (const slot of slots) void start(slot)
  for (const fault of schedule.faults) later(fault.at, () => begin(fault))
  for (const [of, webhook] of schedule.webhooks.entries()) {
    const repeats = schedule.repeats.filter((one) => one.of === of)
    later(webhook.at, () => {
      send(webhook)
      const first = observer.lastArrival(webhook.key)?.by
      for (const { after, ms } of repeats) if (after === 'start') later(ms, () => send(webhook, first))
    })
    for (const { after, ms } of repeats) {
      const again = (by?: GatewayProcess) => later(ms, () => send(webhook, by))
      if (after === 'answer') afterAnswer.set(webhook.key, [...(afterAnswer.get(webhook.key) ?? []), again])
      else if (after === 'restart') {
        later(webhook.at, () => {
          if (webhook.surface === 'event') waitingForStart.push(() => again())
        })
      }
    }
  }

  await time.run(() => planned === 0)
  const healedAt = time.monotonic
  note('the world is well again')
  let quiet = false
  const look = (): void => {
    operator(true)
    const isStill = slots.every(
      ({ gateway, starting, drains }) => gateway?.state === 'running' && !starting && drains === undefined,
    )
    quiet = isStill && planned === 0 && observer.isQuiet()
    if (!quiet) time.in(1000, look)
  }
  look()
  const patienceMs = schedule.flavour === 'poison' ? POISON_MS : PATIENCE_MS
  await time.run(() => quiet || time.monotonic - healedAt > patienceMs || observer.hasFailed())
  if (!quiet && !observer.hasFailed()) observer.fail('waits for ever', observer.remains())

  if (!observer.hasFailed()) {
    const drains = slots.map((slot) => (slot.gateway === undefined ? Promise.resolve() : drain(slot, slot.gateway)))
    let drained = false
    void Promise.all(drains).then(() => (drained = true))
    const until = time.monotonic + 2 * DRAIN_MS
    time.in(2 * DRAIN_MS, () => {})
    await time.run(() => drained || time.monotonic >= until)
    if (!drained) observer.fail('waits for ever', 'a drain does not end')
  }
  // Whatever is left must not go on when the next schedule has the tables.
  for (const { gateway } of slots) if (gateway !== undefined) gateway.state = 'dead'
  return observer.judge()
}
