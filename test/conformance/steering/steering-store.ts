import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/clock.ts'
import type { DirectoryStore } from '../../../src/directory/store.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const NOTHING = { regions: 0, shed: 0 }

/**
 * What every store of a fleet's steering does, whatever database is behind it. `open` opens the same database each time
 * until `close`.
 */
export function steeringConformance(
  name: string,
  database: () => Promise<{ open: (clock: Clock) => Promise<DirectoryStore>; isShared: boolean }>,
): void {
  describe(`steering on ${name}`, () => {
    const clock = createManualClock({ now: 1_750_000_000_000 })
    let open: (clock: Clock) => Promise<DirectoryStore>
    let isShared: boolean
    let store: DirectoryStore
    const opened: DirectoryStore[] = []

    beforeEach(async () => {
      ;({ open, isShared } = await database())
      store = await another()
    })
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close()
    })

    async function another(): Promise<DirectoryStore> {
      const each = await open(clock)
      opened.push(each)
      return each
    }

    const change = (value: unknown) => () => ({
      value,
      action: 'shed.put',
      subject: 'shed rules',
      details: { to: value },
    })

    it('has nothing to say before anything is written', async () => {
      expect(await store.steering.read(NOTHING)).toEqual([])
    })

    it('gives a first change version 1, and hands it the nothing that is there', async () => {
      const row = await store.steering.write('shed', 'ann', (now) => {
        expect(now).toEqual({ version: 0, value: null })
        return change(['a'])()
      })
      expect(row).toEqual({ name: 'shed', version: 1, value: ['a'] })
    })

    it('counts the changes of each row by itself, and hands each change what the last one wrote', async () => {
      await store.steering.write('shed', 'ann', change(['a']))
      await store.steering.write('regions', 'ann', change({ eu: 'down' }))
      const row = await store.steering.write('shed', 'ann', ({ version, value }) => change([version, value])())
      expect(row).toEqual({ name: 'shed', version: 2, value: [1, ['a']] })
    })

    it('reads only what differs from the versions that are known', async () => {
      await store.steering.write('shed', 'ann', change(['a']))
      await store.steering.write('regions', 'ann', change({ eu: 'down' }))
      expect(await store.steering.read({ regions: 1, shed: 0 })).toEqual([{ name: 'shed', version: 1, value: ['a'] }])
      expect(await store.steering.read({ regions: 1, shed: 1 })).toEqual([])
    })

    it('reads what is older than what is known: the database may have been put back', async () => {
      await store.steering.write('shed', 'ann', change(['a']))
      expect(await store.steering.read({ regions: 0, shed: 7 })).toEqual([{ name: 'shed', version: 1, value: ['a'] }])
    })

    it('writes nothing where there is nothing to change', async () => {
      await store.steering.write('shed', 'ann', change(['a']))
      expect(await store.steering.write('shed', 'ann', () => undefined)).toEqual({
        name: 'shed',
        version: 1,
        value: ['a'],
      })
    })

    it('lets a change that throws leave nothing behind', async () => {
      const failing = store.steering.write('shed', 'ann', () => {
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      expect(await store.steering.read(NOTHING)).toEqual([])
      expect(await store.steering.write('shed', 'ann', change(['a']))).toMatchObject({ version: 1 })
    })

    it('loses no change of two that are made at once', async () => {
      const other = isShared ? await another() : store
      const append = (entry: string) => (now: { value: unknown }) =>
        change([...(Array.isArray(now.value) ? (now.value as unknown[]) : []), entry])()
      await Promise.all([
        store.steering.write('shed', 'ann', append('a')),
        other.steering.write('shed', 'bob', append('b')),
        store.steering.write('shed', 'ann', append('c')),
        other.steering.write('shed', 'bob', append('d')),
      ])
      const [row] = await store.steering.read(NOTHING)
      expect(row?.version).toBe(4)
      expect((row?.value as string[] | undefined)?.toSorted()).toEqual(['a', 'b', 'c', 'd'])
    })

    it('is seen by whoever else has the database open', async (context) => {
      if (!isShared) return context.skip()
      const other = await another()
      await store.steering.write('regions', 'ann', change({ eu: 'down' }))
      expect(await other.steering.read(NOTHING)).toEqual([{ name: 'regions', version: 1, value: { eu: 'down' } }])
    })

    describe('the uses of secrets', () => {
      const use = (fingerprint: string, lastUsedAt: number) => ({ name: 'KEYS', fingerprint, lastUsedAt })

      it('are none at first', async () => {
        expect(await store.secretUses.read()).toEqual([])
      })

      it('are kept by name and fingerprint', async () => {
        await store.secretUses.write([use('b', 2), use('a', 1)])
        expect((await store.secretUses.read()).toSorted((a, b) => a.lastUsedAt - b.lastUsedAt)).toEqual([
          use('a', 1),
          use('b', 2),
        ])
      })

      it('keep the latest, whoever writes last', async () => {
        await store.secretUses.write([use('a', 5)])
        await store.secretUses.write([use('a', 3)])
        expect(await store.secretUses.read()).toEqual([use('a', 5)])
        await store.secretUses.write([use('a', 1_750_000_000_000)])
        expect(await store.secretUses.read()).toEqual([use('a', 1_750_000_000_000)])
      })
    })
  })
}
