import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { bloomOf } from './bloom.ts'
import type { Entry, OwnStory, Way } from './story.ts'
import { wordsOf, wordsOfWay } from './words.ts'

/** Webhooks that are stored together: a row for each would cost more than to answer it. */
export interface Block {
  /** Unique. One that is written again has grown. */
  readonly block: string
  /** Its deliveries lie between these two, in the order of their ids. */
  readonly first: string
  readonly last: string
  /** A Bloom filter of what they are found by. */
  readonly words: Uint8Array
  /** JSON. */
  readonly body: string
}

/** Each way stands there once: most webhooks go where others have gone. */
interface Body {
  readonly ways: readonly Way[]
  readonly entries: readonly (readonly [
    way: number,
    installation: string | null,
    dedupKey: string | null,
    story: OwnStory,
  ])[]
}

/** A block without entries has no `first` and no `last`. */
export function packBlock(block: string, entries: readonly Entry[]): Block {
  const places = new Map<Way, number>()
  const rows: Body['entries'] = entries.map(({ way, installation, dedupKey, story }) => {
    const at = places.get(way) ?? places.size
    places.set(way, at)
    return [at, installation, dedupKey, story]
  })
  const ways = [...places.keys()]
  const deliveries = entries.map(({ story }) => story.id).toSorted()
  return {
    block,
    first: deliveries[0] ?? '',
    last: deliveries.at(-1) ?? '',
    words: bloomOf([...wordsOf(entries), ...ways.flatMap(wordsOfWay)]),
    body: `{"entries":${JSON.stringify(rows)},"ways":[${ways.map(jsonOf).join(',')}]}`,
  }
}

/**
 * For as long as the way itself is: until the directory is read again, or one webhook where that named whom it is for. Of
 * thousands of workspaces nearly each webhook in a block goes another way, and what makes one up lies all over the memory,
 * in no cache any more.
 */
const known = new WeakMap<Way, string>()

function jsonOf(way: Way): string {
  const before = known.get(way)
  if (before !== undefined) return before
  const json = JSON.stringify(way)
  known.set(way, json)
  return json
}

/**
 * A block's body as it is stored, as RFC 8878 has it. Whoever writes it does that, for a file its thread: node keeps some
 * 70 KB of each time that it compresses until old space is collected, and on the main thread webhooks wait for that.
 */
export function compress(body: string): Uint8Array {
  // At once: to have one of node's own threads do it takes seven times the CPU.
  return zstdCompressSync(body)
}

/** Of a body as it is stored. Throws for what no release has written so. */
export function unpackBlock(body: Uint8Array): Entry[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- packBlock has written it
  const { ways, entries } = JSON.parse(zstdDecompressSync(body).toString()) as Body
  return entries.map(([at, installation, dedupKey, story]) => {
    const way = ways[at]
    if (way === undefined) throw new Error(`a block of records has no way ${at}`)
    return { way, installation, dedupKey, story }
  })
}
