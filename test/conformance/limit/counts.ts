import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Counts } from '../../../src/limit/counts.ts'

export interface OpenedCounts {
  readonly here: Counts
  readonly there: Counts
  readonly close: () => Promise<void>
}

/** What every way of counting has to do, for all who count together. */
export function countsConformance(name: string, open: () => Promise<OpenedCounts>): void {
  describe(`a limit that is counted ${name}`, () => {
    let opened: OpenedCounts
    let keys = 0
    const newKey = () => `slack:${(keys += 1)}`
    beforeEach(async () => void (opened = await open()))
    afterEach(() => opened.close())

    it('lets as many through as it says, wherever they come to, and no more', async () => {
      const { here, there } = opened
      const key = newKey()
      const waits = []
      for (let index = 0; index < 12; index++) waits.push(await (index % 2 === 0 ? here : there).take(key, 10))
      expect(waits.map((waitMs) => waitMs === 0)).toEqual([...Array<boolean>(10).fill(true), false, false])
    })

    it('lets no more through when all come at once', async () => {
      const { here, there } = opened
      const key = newKey()
      const waits = await Promise.all(
        Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? here : there).take(key, 30)),
      )
      expect(waits.filter((waitMs) => waitMs === 0)).toHaveLength(30)
    })

    it('says how long to wait: not more than a minute, and not much less when all have just come', async () => {
      const key = newKey()
      await opened.here.take(key, 1)
      const waitMs = await opened.there.take(key, 1)
      expect(waitMs).toBeGreaterThan(30_000)
      expect(waitMs).toBeLessThanOrEqual(60_000)
    })

    it('counts each key by itself', async () => {
      const [one, other] = [newKey(), newKey()]
      await opened.here.take(one, 1)
      expect(await opened.here.take(other, 1)).toBe(0)
    })

    it('lets more through as soon as it is raised, and fewer as soon as it is lowered', async () => {
      const key = newKey()
      for (let index = 0; index < 3; index++) await opened.here.take(key, 3)
      expect(await opened.there.take(key, 4)).toBe(0)
      expect(await opened.here.take(key, 2)).toBeGreaterThan(0)
    })
  })
}
