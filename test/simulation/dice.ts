/** Chance that a seed decides: the same seed, the same throws. */
export interface Dice {
  /** At least 0, below 1. */
  float(): number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  chance(probability: number): boolean
  pick<Item>(items: readonly Item[]): Item
  /** One of the entries, each as often as its weight says. */
  weighted<Item>(items: readonly (readonly [weight: number, item: Item])[]): Item
}

/** `label`: dice of one seed for different purposes do not disturb each other. */
export function createDice(seed: number, label: string): Dice {
  let state = seed >>> 0
  for (let at = 0; at < label.length; at++) state = Math.imul(state ^ label.charCodeAt(at), 0x9e3779b1) >>> 0
  // Mulberry32: one word of state is enough for a schedule, and it costs next to nothing.
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number): number => least + Math.floor(float() * (most - least + 1))
  const known = <Item>(item: Item | undefined): Item => {
    if (item === undefined) throw new RangeError('Nothing to choose from')
    return item
  }
  return {
    float,
    between,
    chance: (probability) => float() < probability,
    pick: (items) => known(items[between(0, items.length - 1)]),
    weighted(items) {
      let left = float() * items.reduce((sum, [weight]) => sum + weight, 0)
      return known(items.find(([weight]) => (left -= weight) < 0) ?? items.at(-1))[1]
    },
  }
}
