import type { Now } from '../shapes.ts'

/** How the webhooks of some seconds ended, and how quickly. */
export interface Summary {
  readonly seconds: number
  readonly webhooks: number
  readonly failed: number
  /** The most frequent first. */
  readonly outcomes: readonly (readonly [outcome: string, count: number])[]
  /** Milliseconds: half of a typical second's, and 99 % of the worst second's; undefined without any answer. */
  readonly typicalP50: number | undefined
  readonly worstP99: number | undefined
}

/** The groups that are told apart at a glance; together they are all webhooks. */
export interface Groups {
  readonly passedOn: number
  readonly spooled: number
  readonly failed: number
  /** Answered by the gateway itself, duplicates, and what nobody wants. */
  readonly here: number
}

export function groupsOf({ second: { webhooks, failed, by_outcome: outcomes } }: Now): Groups {
  const passedOn = outcomes['passed_on'] ?? 0
  const spooled = outcomes['spooled'] ?? 0
  return { passedOn, spooled, failed, here: Math.max(0, webhooks - passedOn - spooled - failed) }
}

export function summaryOf(history: readonly Now[]): Summary {
  const outcomes = new Map<string, number>()
  for (const { second } of history) {
    for (const [outcome, count] of Object.entries(second.by_outcome)) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count)
    }
  }
  const answered = history.flatMap(({ second }) => (second.answer_ms === null ? [] : [second.answer_ms]))
  const halves = answered.map(({ p50 }) => p50).toSorted((a, b) => a - b)
  return {
    seconds: history.length,
    webhooks: sum(history, ({ second }) => second.webhooks),
    failed: sum(history, ({ second }) => second.failed),
    outcomes: [...outcomes].toSorted(([, a], [, b]) => b - a),
    typicalP50: halves[Math.floor(halves.length / 2)],
    worstP99: answered.length === 0 ? undefined : Math.max(...answered.map(({ p99 }) => p99)),
  }
}

/** The seconds by their minute, the newest first. */
export function minutesOf(history: readonly Now[]): { readonly at: string; readonly summary: Summary }[] {
  const groups = Map.groupBy(history, ({ at }) => at.slice(0, 16))
  return [...groups].map(([minute, of]) => ({ at: `${minute}:00.000Z`, summary: summaryOf(of) })).toReversed()
}

/**
 * When each second was told, in Unix seconds, with nothing where the connection was lost: a line must not lead over what
 * nobody knows.
 */
export function drawn(history: readonly Now[]): { readonly times: number[]; readonly told: (Now | null)[] } {
  const times: number[] = []
  const told: (Now | null)[] = []
  for (const now of history) {
    const at = Date.parse(now.at) / 1000
    const before = times.at(-1)
    if (before !== undefined && at - before > LONGEST_SECOND) {
      times.push(before + 1)
      told.push(null)
    }
    times.push(at)
    told.push(now)
  }
  return { times, told }
}

/** Ticks of a busy gateway come late; beyond this one is missing. */
const LONGEST_SECOND = 2.5

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
