import type { Entry } from './story.ts'

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

/** What of an entry has to be what a filter says in the field of that name. */
const singles: readonly (readonly [name: keyof RecordFilter, of: (entry: Entry) => Value])[] = [
  ['delivery', ({ story }) => story.id],
  ['surface', ({ story }) => story.surface],
  ['type', ({ story }) => story.type],
  ['outcome', ({ story }) => story.outcome],
  ['status', ({ story }) => story.status],
  ['failed', ({ story }) => story.failed],
  ['installation', ({ installation }) => installation],
  ['dedupKey', ({ dedupKey }) => dedupKey],
  ['integration', ({ way }) => way.integration?.id ?? null],
]

/** One of these has to be. */
const severals: readonly (readonly [name: keyof RecordFilter, of: (entry: Entry) => readonly Value[]])[] = [
  ['region', ({ story }) => story.plan?.regions ?? []],
  ['organization', ({ way }) => way.organizations.map(({ id }) => id)],
]

/** What any of the entries is found by, as the words of a block. */
export function wordsOf(entries: readonly Entry[]): Set<string> {
  const words = new Set<string>()
  // Values first: most are the same ones again, and to make a word of each would cost more than all else here.
  const values = new Set<Value>()
  const say = (name: string): void => {
    for (const value of values) words.add(wordFor(name, value))
    values.clear()
  }
  for (const [name, of] of singles) {
    for (const entry of entries) values.add(of(entry))
    say(name)
  }
  for (const [name, of] of severals) {
    for (const entry of entries) for (const value of of(entry)) values.add(value)
    say(name)
  }
  return words
}

/** The words that a block has to hold for one of its entries to be wanted. */
export function wordsFor(filter: RecordFilter): string[] {
  return [...singles, ...severals].flatMap(([name]) => {
    const wanted = filter[name]
    return wanted === undefined ? [] : [wordFor(name, wanted)]
  })
}

export function isWanted(entry: Entry, filter: RecordFilter): boolean {
  const { from = -Infinity, until = Infinity, text } = filter
  const { story, installation } = entry
  const receivedAt = Date.parse(story.received_at)
  if (receivedAt < from || receivedAt >= until) return false
  if (singles.some(([name, of]) => filter[name] !== undefined && filter[name] !== of(entry))) return false
  if (severals.some(([name, of]) => filter[name] !== undefined && !of(entry).includes(filter[name]))) return false
  if (text === undefined) return true
  const searched = [story.id, story.surface, story.type, installation, story.outcome, ...(story.plan?.regions ?? [])]
  return searched.some((one) => one?.toLowerCase().includes(text.toLowerCase()))
}

/** Part of what is stored: blocks that are written are asked by later releases. */
function wordFor(name: string, value: Value): string {
  return `${name}=${value}`
}
