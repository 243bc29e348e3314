type Key = string | number

/** What `Map` does with keys and values, for values that are objects. */
export interface ShortLivedMap<Value extends object> {
  readonly size: number
  get(key: Key): Value | undefined
  set(key: Key, value: Value): void
  delete(key: Key): void
  /** As their keys came, keys that are whole numbers first. */
  values(): IteratorObject<Value>
}

/**
 * A map of what is soon gone again, for thousands a second. A `Map` or a `Set` moves to a new table each time that so
 * many have left it, and has the old one point to the new one (V8's `OrderedHashTable::Rehash`, for those who iterate).
 * Once a single table has grown old, all that is in those after it is kept until old space is collected as well: a
 * fortieth of what webhooks allocate, and half of what each collection of the young copies.
 */
export function createShortLivedMap<Value extends object>(): ShortLivedMap<Value> {
  // Without a prototype it is a plain hash table from the beginning, and has no names of its own.
  const held: Record<Key, Value> = Object.create(null)
  let size = 0
  return {
    get size() {
      return size
    },
    get: (key) => held[key],
    set(key, value) {
      if (held[key] === undefined) size += 1
      held[key] = value
    },
    delete(key) {
      if (held[key] === undefined) return
      size -= 1
      delete held[key]
    },
    *values() {
      for (const key in held) {
        const value = held[key]
        if (value !== undefined) yield value
      }
    },
  }
}
