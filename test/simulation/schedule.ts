import { createDice, type Dice } from './dice.ts'

/** Everything that is going to happen in one simulated world, as a seed draws it. Times are milliseconds. */
export interface Schedule {
  readonly seed: number
  readonly flavour: Flavour
  readonly regions: readonly SimRegion[]
  readonly integrations: readonly SimIntegration[]
  readonly webhooks: readonly SimWebhook[]
  readonly repeats: readonly Repeat[]
  readonly faults: readonly Fault[]
  /** How many gateways run from the beginning. */
  readonly gateways: 1 | 2
  /** Whether Slack sends an event again that was not answered well. */
  readonly slackRetries: boolean
  readonly encrypted: boolean
  readonly maxAgeMs: number
  /** How old what a gateway remembers of the directory may be: a fleet that is told of changes forgets at once. */
  readonly cacheMs: number
}

/** Most schedules last a minute; the others are there for what takes longer to happen. */
export type Flavour = 'usual' | 'poison' | 'bad_deploy' | 'unheard_for_long' | 'waits_too_long' | 'gone_for_long'

export interface SimRegion {
  readonly name: string
  readonly idempotent: boolean
  readonly maxConcurrency: number
  readonly maxQueue: number
  readonly timeoutMs: number
  readonly breaker: { failureRate: number; minimumCalls: number; windowMs: number; openMs: number }
  readonly maxSpoolBytes: number
}

export interface SimIntegration {
  readonly id: string
  readonly organizations: readonly { readonly id: string; readonly region: string }[]
}

export type Surface = 'event' | 'command' | 'action' | 'view' | 'options'

export interface SimWebhook {
  readonly key: string
  readonly at: number
  readonly surface: Surface
  readonly integration: string
  readonly to: 'first' | 'all'
  /** Whether it names a response_url. */
  readonly answerable: boolean
  /** How long its body takes to arrive. */
  readonly bodyMs: number
  /** What each region makes of the first calls it gets of this webhook; of any later one, `usual`. */
  readonly calls: Readonly<Record<string, readonly Behaviour[]>>
  readonly usual: Readonly<Record<string, Behaviour & { kind: 'reply' }>>
  /** What becomes of the first posts to its response_url; any later one is heard. */
  readonly posts: readonly Post[]
}

export type Behaviour =
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly says: boolean
      readonly ms: number
      readonly retryAfter?: number
    }
  | { readonly kind: 'refused' }
  | { readonly kind: 'no_connection' }
  | { readonly kind: 'reset' | 'hang' | 'half'; readonly carriedOut: boolean; readonly ms: number }

export type Post =
  | { readonly kind: 'status'; readonly status: number; readonly ms: number; readonly retryAfter?: number }
  | { readonly kind: 'refused' | 'no_connection' }
  | { readonly kind: 'reset' | 'hang'; readonly heard: boolean; readonly ms: number }

/** The same webhook once more. */
export interface Repeat {
  readonly of: number
  /** `restart`: after the next gateway has started. */
  readonly after: 'start' | 'answer' | 'restart'
  readonly ms: number
}

interface Lasting {
  readonly at: number
  readonly ms: number
}

export type Fault =
  | ({ readonly kind: 'outage'; readonly region: string; readonly how: Outage } & Lasting)
  | ({ readonly kind: 'region_state'; readonly region: string; readonly state: 'down' | 'draining' } & Lasting)
  | ({ readonly kind: 'store_gone' | 'append_fails' | 'settle_fails' | 'directory_away' | 'answers_unheard' } & Lasting)
  | ({ readonly kind: 'slow_store'; readonly commitMs: number } & Lasting)
  | ({ readonly kind: 'paused'; readonly integration: string; readonly region: string } & Lasting)
  /** Ends; `ms` later another starts. */
  | ({ readonly kind: 'drain'; readonly gateway: number } & Lasting)
  /** `after`: right after the next such call to its store has been committed, before it hears of it. */
  | ({ readonly kind: 'crash' | 'suspended'; readonly gateway: number; readonly after?: Step } & Lasting)
  | { readonly kind: 'clock_jump'; readonly at: number; readonly byMs: number }
  | ({ readonly kind: 'move'; readonly at: number; readonly organization: string; readonly to: string } & Followed)
  /** To `to` as well, where that is said; `ms` later it is released. */
  | ({ readonly kind: 'hold'; readonly organization: string; readonly to?: string } & Lasting & Followed)

/** Who lets what waits follow the organization: a gateway, a command beside them, or nobody who lives to do it. */
interface Followed {
  readonly by: 'gateway' | 'command' | 'nobody'
}

export type Step = 'append' | 'next' | 'settle' | 'owe' | 'posting' | 'paid'

export type Outage = 'refuses' | 'hangs' | 'resets' | '503' | '401' | '422'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

export function drawSchedule(seed: number): Schedule {
  const dice = createDice(seed, 'schedule')
  const flavour = dice.weighted<Flavour>([
    [955, 'usual'],
    [4, 'poison'],
    [25, 'bad_deploy'],
    [2, 'unheard_for_long'],
    [8, 'waits_too_long'],
    [6, 'gone_for_long'],
  ])
  const regions = ['eu', 'us', 'ap', 'de'].slice(0, dice.between(1, 4)).map((name) => drawRegion(name, flavour, dice))
  const integrations = drawIntegrations(regions, flavour, dice)
  const webhooks = drawWebhooks({ regions, integrations, flavour }, dice)
  const faults = drawFaults({ regions, integrations, flavour }, webhooks, dice)
  return {
    seed,
    flavour,
    regions,
    integrations,
    webhooks,
    repeats: drawRepeats(webhooks, dice),
    faults,
    gateways: dice.chance(0.4) ? 2 : 1,
    slackRetries: dice.chance(0.5),
    encrypted: dice.chance(0.15),
    cacheMs: dice.pick([60_000, 1000, 0]),
    maxAgeMs: flavour === 'waits_too_long' ? 2 * MINUTE_MS : 24 * HOUR_MS,
  }
}

function drawRegion(name: string, flavour: Flavour, dice: Dice): SimRegion {
  const patient = flavour === 'poison' || dice.chance(0.3)
  return {
    name,
    idempotent: dice.chance(0.5),
    maxConcurrency: dice.pick([1, 2, 4, 16]),
    maxQueue: dice.pick([0, 1, 4, 1000]),
    timeoutMs: dice.pick([2000, 4000, 10_000]),
    breaker: {
      failureRate: 0.5,
      minimumCalls: patient ? 20 : dice.pick([1, 2, 3, 5]),
      windowMs: dice.pick([2000, 10_000]),
      openMs: dice.pick([500, 2000, 5000]),
    },
    maxSpoolBytes: dice.chance(0.05) ? 1500 : 1_000_000,
  }
}

function drawIntegrations(regions: readonly SimRegion[], flavour: Flavour, dice: Dice): SimIntegration[] {
  const count = flavour === 'bad_deploy' ? 1 : dice.between(1, 3)
  return Array.from({ length: count }, (_, at) => {
    const id = String(at + 1)
    const organizations = regions
      .filter((_, index) => index === 0 || dice.chance(0.6))
      .flatMap(({ name: region }, index) => {
        const first = { id: `${id}${index}1`, region }
        return dice.chance(0.25) ? [first, { id: `${id}${index}2`, region }] : [first]
      })
    return { id, organizations }
  })
}

interface Drawn {
  readonly regions: readonly SimRegion[]
  readonly integrations: readonly SimIntegration[]
  readonly flavour: Flavour
}

function drawWebhooks({ regions, integrations, flavour }: Drawn, dice: Dice): SimWebhook[] {
  const count = flavour === 'bad_deploy' ? dice.between(14, 25) : dice.between(3, dice.pick([6, 12, 25]))
  // From a world in which next to everything goes well to one in which next to nothing does.
  const trouble = dice.pick([0.05, 0.2, 0.4, 0.8])
  let at = dice.between(60, 500)
  return Array.from({ length: count }, (_, index) => {
    const key = `w${index}`
    at += dice.weighted([
      [4, () => dice.between(0, 20)],
      [3, () => dice.between(20, 600)],
      [2, () => dice.between(600, 4000)],
    ])()
    const surface: Surface =
      flavour === 'bad_deploy' || flavour === 'poison'
        ? 'event'
        : dice.weighted<Surface>([
            [50, 'event'],
            [18, 'command'],
            [20, 'action'],
            [7, 'view'],
            [5, 'options'],
          ])
    const isHard = flavour === 'poison' && index === 0
    const isLate = surface === 'command' && (flavour === 'gone_for_long' || flavour === 'unheard_for_long')
    const hit = (): boolean => dice.chance(trouble)
    return {
      key,
      at,
      surface,
      integration: dice.pick(integrations).id,
      to: drawTo(surface, dice),
      answerable: (surface === 'command' || surface === 'action') && dice.chance(0.85),
      bodyMs: dice.chance(0.04) ? dice.between(200, 3000) : 0,
      calls: Object.fromEntries(
        regions.map(({ name }) => {
          if (isLate) return [name, [{ kind: 'reply', status: 200, says: true, ms: 2700 }]]
          if (isHard)
            return [
              name,
              Array.from({ length: 60 }, () => ({ kind: 'reply', status: 500, says: false, ms: 5 }) as const),
            ]
          const firstFew = hit() ? Array.from({ length: dice.between(1, 3) }, () => drawBehaviour(surface, dice)) : []
          return [name, firstFew]
        }),
      ),
      usual: Object.fromEntries(
        regions.map(({ name }) => {
          const usual = {
            kind: 'reply',
            status: 200,
            says: surface !== 'event' && dice.chance(0.7),
            ms: dice.between(1, 150),
          } as const
          return [name, usual]
        }),
      ),
      posts: hit() ? Array.from({ length: dice.between(1, 3) }, () => drawPost(dice)) : [],
    }
  })
}

function drawTo(surface: Surface, dice: Dice): 'first' | 'all' {
  if (surface === 'command' || surface === 'options') return 'first'
  if (surface === 'view') return 'all'
  return dice.chance(surface === 'event' ? 0.4 : 0.7) ? 'all' : 'first'
}

function drawBehaviour(surface: Surface, dice: Dice): Behaviour {
  const ms = dice.between(1, 300)
  const says = surface !== 'event' && dice.chance(0.7)
  const carriedOut = dice.chance(0.5)
  return dice.weighted<Behaviour>([
    [6, { kind: 'reply', status: 200, says: true, ms }],
    [3, { kind: 'reply', status: dice.pick([400, 409, 410, 413, 415, 422]), says: true, ms }],
    [3, { kind: 'reply', status: dice.pick([401, 403, 404, 429]), says: false, ms, ...drawRetryAfter(dice) }],
    [4, { kind: 'reply', status: dice.pick([500, 502, 503]), says: false, ms, ...drawRetryAfter(dice) }],
    [4, { kind: 'refused' }],
    [1, { kind: 'no_connection' }],
    [3, { kind: 'reset', carriedOut, ms }],
    [2, { kind: 'hang', carriedOut, ms }],
    [1, { kind: 'half', carriedOut: true, ms }],
    // Close to the deadline, where what is owed is being written down, and beyond it.
    [4, { kind: 'reply', status: 200, says, ms: dice.between(2360, 2540) }],
    [6, { kind: 'reply', status: dice.pick([200, 200, 200, 422, 500]), says, ms: dice.between(2600, 9000) }],
    [2, { kind: 'reply', status: 200, says, ms: dice.between(9900, 14_000) }],
  ])
}

function drawRetryAfter(dice: Dice): { retryAfter?: number } {
  return dice.chance(0.3) ? { retryAfter: dice.pick([0, 1, 2, 10]) } : {}
}

function drawPost(dice: Dice): Post {
  const ms = dice.between(5, 400)
  const heard = dice.chance(0.5)
  return dice.weighted<Post>([
    [4, { kind: 'status', status: 200, ms: dice.pick([ms, 4000]) }],
    [3, { kind: 'status', status: dice.pick([500, 503]), ms, ...drawRetryAfter(dice) }],
    [3, { kind: 'status', status: 429, ms, ...drawRetryAfter(dice) }],
    [1, { kind: 'status', status: 404, ms }],
    [3, { kind: 'refused' }],
    [1, { kind: 'no_connection' }],
    [2, { kind: 'reset', heard, ms }],
    [2, { kind: 'hang', heard, ms }],
  ])
}

function drawRepeats(webhooks: readonly SimWebhook[], dice: Dice): Repeat[] {
  const repeats: Repeat[] = []
  for (const [of] of webhooks.entries()) {
    if (!dice.chance(0.2)) continue
    const copies = dice.weighted([
      [6, 1],
      [2, 2],
      [1, 5],
    ])
    for (let copy = 0; copy < copies; copy++) {
      repeats.push(
        dice.weighted<Repeat>([
          [2, { of, after: 'start', ms: 0 }],
          [3, { of, after: 'start', ms: dice.between(1, 2600) }],
          [3, { of, after: 'answer', ms: dice.between(1, 8000) }],
          [2, { of, after: 'restart', ms: dice.between(50, 4000) }],
        ]),
      )
    }
  }
  return repeats
}

function drawFaults({ regions, integrations, flavour }: Drawn, webhooks: readonly SimWebhook[], dice: Dice): Fault[] {
  const region = (): string => dice.pick(regions).name
  const at = (): number => dice.between(0, 14_000)
  const ms = (): number =>
    dice.weighted([
      [5, () => dice.between(100, 3000)],
      [5, () => dice.between(3000, 12_000)],
    ])()
  const gateway = (): number => dice.between(0, 1)
  const organization = (): string => dice.pick(dice.pick(integrations).organizations).id
  const by = (): Followed['by'] => dice.pick(['gateway', 'gateway', 'command', 'nobody'])
  const after = (): { after?: Step } => (dice.chance(0.5) ? { after: dice.pick(steps) } : {})
  const draw = (): Fault =>
    dice.weighted<() => Fault>([
      [5, () => ({ kind: 'outage', region: region(), how: dice.pick(outages), at: at(), ms: ms() })],
      [
        2,
        () => ({ kind: 'region_state', region: region(), state: dice.pick(['down', 'draining']), at: at(), ms: ms() }),
      ],
      [2, () => ({ kind: 'store_gone', at: at(), ms: ms() })],
      [2, () => ({ kind: 'append_fails', at: at(), ms: ms() })],
      [2, () => ({ kind: 'settle_fails', at: at(), ms: ms() })],
      [2, () => ({ kind: 'slow_store', at: at(), ms: ms(), commitMs: dice.pick([40, 120, 600, 3500]) })],
      [2, () => ({ kind: 'directory_away', at: dice.pick([0, at()]), ms: ms() })],
      [1, () => ({ kind: 'answers_unheard', at: at(), ms: ms() })],
      [2, () => ({ kind: 'paused', integration: dice.pick(integrations).id, region: region(), at: at(), ms: ms() })],
      [5, () => ({ kind: 'crash', gateway: gateway(), at: at(), ms: dice.between(50, 9000), ...after() })],
      [3, () => ({ kind: 'drain', gateway: gateway(), at: at(), ms: dice.between(50, 4000) })],
      [
        3,
        () => ({ kind: 'suspended', gateway: gateway(), at: at(), ms: dice.pick([3000, 8000, MINUTE_MS]), ...after() }),
      ],
      [1, () => ({ kind: 'clock_jump', at: at(), byMs: dice.pick([-HOUR_MS, HOUR_MS]) })],
      [2, () => ({ kind: 'move', at: at(), organization: organization(), to: region(), by: by() })],
      [
        2,
        () => ({
          kind: 'hold',
          at: at(),
          ms: ms(),
          organization: organization(),
          ...(dice.chance(0.5) && { to: region() }),
          by: by(),
        }),
      ],
    ])()
  const usual = Array.from(
    {
      length: dice.weighted([
        [2, 0],
        [3, 1],
        [3, 2],
        [2, 4],
      ]),
    },
    draw,
  )
  const longest = regions[0]?.name ?? ''
  switch (flavour) {
    case 'usual':
      return usual
    case 'poison':
      return []
    case 'bad_deploy':
      return [{ kind: 'outage', region: longest, how: '422', at: 0, ms: 40_000 }]
    case 'unheard_for_long':
      return [{ kind: 'answers_unheard', at: 0, ms: 28 * MINUTE_MS }]
    case 'waits_too_long':
      return [{ kind: 'outage', region: longest, how: dice.pick(['refuses', '503']), at: 0, ms: 5 * MINUTE_MS }]
    case 'gone_for_long': {
      // Right after a late answer was promised.
      const both = webhooks.find(({ surface }) => surface === 'command')?.at ?? at()
      return [0, 1].map((one) => ({ kind: 'crash', gateway: one, at: both + 2550, ms: 27 * MINUTE_MS }) as const)
    }
  }
}

const steps: readonly Step[] = ['append', 'next', 'settle', 'owe', 'posting', 'paid']
const outages: readonly Outage[] = ['refuses', 'hangs', 'resets', '503', '401', '422']

/** The schedule as somebody reads it who wants to know what went wrong. */
export function linesOf({ webhooks, repeats, faults, ...world }: Schedule): string[] {
  const text = (value: unknown): string => JSON.stringify(value).replaceAll('"', '')
  const { regions, integrations, ...rest } = world
  return [
    text(rest),
    ...regions.map((region) => `region ${text(region)}`),
    ...integrations.map((integration) => `integration ${text(integration)}`),
    ...webhooks.map(
      ({ key, at, usual, ...webhook }) => `at ${at} webhook ${key} ${text(webhook)} otherwise ${text(usual)}`,
    ),
    ...repeats.map(({ of, after, ms }) => `repeat of w${of}, ${ms} ms after its ${after}`),
    ...faults.map(({ at, ...fault }) => `at ${at} fault ${text(fault)}`),
  ]
}
