/** What `Map` does, for keys that are whole numbers below 2^31 and values that are objects. */
export interface ShortLivedMap<Value extends object> {
  readonly size: number
  get(key: number): Value | undefined
  set(key: number, value: Value): void
  delete(key: number): void
  /** The one with the lowest key first. */
  values(): readonly Value[]
}

/**
 * A map of what is soon gone again, for thousands a second. A `Map` or a `Set` moves to a new table each time that so
 * many have left it, and has the old one point to the new one (V8's `OrderedHashTable::Rehash`, for those who iterate).
 * Once a single table has grown old, all that is in those after it is kept until old space is collected as well: a
 * fortieth of what webhooks allocate, and half of what each collection of the young copies. Its keys are numbers: of a
 * string V8 would first make one of its names, with a table of them all, for each that comes.
 */
export function createShortLivedMap<Value extends object>(): ShortLivedMap<Value> {
  // Without a prototype: what is not in it is looked for nowhere else.
  const held: Record<number, Value> = Object.create(null)
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
    values: () => Object.values(held),
  }
}
