/*
 * A Bloom filter: tells of a set of words which ones it certainly does not hold, in little more than a byte a word
 * (Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970).
 */

/** With so many bits and probes a word, one in a hundred of those that are not there is taken for one that is. */
const BITS_PER_WORD = 10
const PROBES = 7

export function bloomOf(words: readonly string[]): Uint8Array {
  const filter = new Uint8Array(Math.max(1, Math.ceil((words.length * BITS_PER_WORD) / 8)))
  for (const word of words) {
    probe(word, filter, (byte, bit) => {
      filter[byte] = (filter[byte] ?? 0) | bit
      return true
    })
  }
  return filter
}

/** False: it is not in there. True: it probably is. */
export function mayHold(filter: Uint8Array, word: string): boolean {
  return probe(word, filter, (byte, bit) => ((filter[byte] ?? 0) & bit) !== 0)
}

/** Visits the bits of a word until `visit` has seen enough. Two hashes do for all (Kirsch and Mitzenmacher, 2006). */
function probe(word: string, { length }: Uint8Array, visit: (byte: number, bit: number) => boolean): boolean {
  // FNV-1a, from two offsets. Part of what is stored: filters that are written are asked by later releases.
  let hash = 0x811c9dc5
  let other = 0x01000193
  for (let at = 0; at < word.length; at++) {
    const code = word.charCodeAt(at)
    hash = Math.imul(hash ^ code, 0x01000193)
    other = Math.imul(other ^ code, 0x85ebca6b)
  }
  // An even step would meet only half of the bits.
  const step = (other ^ (other >>> 15)) | 1
  for (let turn = 0; turn < PROBES; turn++) {
    const at = (hash >>> 0) % (length * 8)
    if (!visit(at >> 3, 1 << (at & 7))) return false
    hash = (hash + step) | 0
  }
  return true
}
