import type { Entry, Way } from './story.ts'

/** Which records are wanted; all that is given has to be so. */
export interface RecordFilter {
  readonly surface?: string | undefined
  readonly type?: string | undefined
  readonly outcome?: string | undefined
  readonly status?: number | undefined
  readonly failed?: boolean | undefined
  readonly installation?: string | undefined
  readonly integration?: string | undefined
  readonly organization?: string | undefined
  /** Planned. */
  readonly region?: string | undefined
  /** What makes two webhooks the same. */
  readonly dedupKey?: string | undefined
  readonly delivery?: string | undefined
  /** Unix milliseconds: received at or after, and before. */
  readonly from?: number | undefined
  readonly until?: number | undefined
  /** Occurs in its id, type, installation, outcome or regions, whatever its case. */
  readonly text?: string | undefined
}

type Value = string | number | boolean | null

type Single = readonly [name: keyof RecordFilter, of: (entry: Entry) => Value]
type Several<Of> = readonly [name: keyof RecordFilter, of: (of: Of) => readonly Value[]]

/**
 * What of an entry has to be what a filter says in the field of that name. These it shares with next to no other; an
 * installation with few, unless there are few workspaces, of which each block then has it many times.
 */
const own: readonly Single[] = [
  ['delivery', ({ story }) => story.id],
  ['dedupKey', ({ dedupKey }) => dedupKey],
  ['installation', ({ installation }) => installation],
]

/** The same of what it shares with most others. */
const shared: readonly Single[] = [
  ['surface', ({ story }) => story.surface],
  ['type', ({ story }) => story.type],
  ['outcome', ({ story }) => story.outcome],
  ['status', ({ story }) => story.status],
  ['failed', ({ story }) => story.failed],
]

const singles = [...own, ...shared]

/** One of these has to be. */
const severals: readonly Several<Entry>[] = [['region', ({ story }) => story.plan?.regions ?? []]]

/** The same of the way that it went. */
const ofWays: readonly Several<Way>[] = [
  ['integration', ({ integration }) => (integration === null ? [] : [integration.id])],
  ['organization', ({ organizations }) => organizations.map(({ id }) => id)],
]

/**
 * What any of the entries is found by, but for their ways, as the words of a block; those of a request that was sent again
 * stand there again.
 */
export function wordsOf(entries: readonly Entry[]): string[] {
  const words: string[] = []
  // A set would find that they differ, for more than all else here costs.
  for (const [name, of] of own) {
    for (const entry of entries) {
      const value = of(entry)
      if (value !== null) words.push(wordFor(name, value))
    }
  }
  // Values first: most are the same ones again, and to make a word of each would cost as much.
  const values = new Set<Value>()
  const say = (name: string): void => {
    for (const value of values) words.push(wordFor(name, value))
    values.clear()
  }
  for (const [name, of] of shared) {
    for (const entry of entries) values.add(of(entry))
    say(name)
  }
  for (const [name, of] of severals) {
    for (const entry of entries) for (const value of of(entry)) values.add(value)
    say(name)
  }
  return words
}

/** What all entries that go this way are found by. */
export function wordsOfWay(way: Way): string[] {
  return ofWays.flatMap(([name, of]) => of(way).map((value) => wordFor(name, value)))
}

/** The words that a block has to hold for one of its entries to be wanted. */
export function wordsFor(filter: RecordFilter): string[] {
  return [...singles, ...severals, ...ofWays].flatMap(([name]) => {
    const wanted = filter[name]
    return wanted === undefined ? [] : [wordFor(name, wanted)]
  })
}

export function isWanted(entry: Entry, filter: RecordFilter): boolean {
  const { from = -Infinity, until = Infinity, text } = filter
  const { story, installation, way } = entry
  const receivedAt = Date.parse(story.received_at)
  if (receivedAt < from || receivedAt >= until) return false
  if (singles.some(([name, of]) => filter[name] !== undefined && filter[name] !== of(entry))) return false
  if (!hasEach(severals, entry, filter) || !hasEach(ofWays, way, filter)) return false
  if (text === undefined) return true
  const searched = [story.id, story.surface, story.type, installation, story.outcome, ...(story.plan?.regions ?? [])]
  return searched.some((one) => one?.toLowerCase().includes(text.toLowerCase()))
}

function hasEach<Of>(severals: readonly Several<Of>[], what: Of, filter: RecordFilter): boolean {
  return severals.every(([name, of]) => filter[name] === undefined || of(what).includes(filter[name]))
}

/** Part of what is stored: blocks that are written are asked by later releases. */
function wordFor(name: string, value: Value): string {
  return `${name}=${value}`
}
