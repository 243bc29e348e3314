/*
 * A Bloom filter: tells of a set of words which ones it certainly does not hold, in little more than a byte a word
 * (Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970).
 */

/** With so many bits and probes a word, one in a hundred of those that are not there is taken for one that is. */
const BITS_PER_WORD = 10
const PROBES = 7

export function bloomOf(words: ReadonlySet<string>): Uint8Array {
  const filter = new Uint8Array(Math.max(1, Math.ceil((words.size * BITS_PER_WORD) / 8)))
  const bits = filter.length * 8
  for (const word of words) {
    for (const bit of probes(word, bits)) filter[bit >> 3] = (filter[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  return filter
}

/** False: it is not in there. True: it probably is. */
export function mayHold(filter: Uint8Array, word: string): boolean {
  return probes(word, filter.length * 8).every((bit) => ((filter[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0)
}

/** Two hashes do for all probes (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006). */
function probes(word: string, bits: number): number[] {
  // FNV-1a, from two offsets. Part of what is stored: filters that are written are asked by later releases.
  let one = 0x811c9dc5
  let other = 0x01000193
  for (let at = 0; at < word.length; at++) {
    const code = word.charCodeAt(at)
    one = Math.imul(one ^ code, 0x01000193)
    other = Math.imul(other ^ code, 0x85ebca6b)
  }
  // Even steps would meet only half of the bits.
  const step = (other ^ (other >>> 15)) | 1
  return Array.from({ length: PROBES }, (_, probe) => ((one + Math.imul(probe, step)) >>> 0) % bits)
}
