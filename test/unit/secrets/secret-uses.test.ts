import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createSecretUses } from '../../../src/secrets/secret-uses.ts'
import type { StoredSecretUse } from '../../../src/secrets/secret-use-store.ts'
import { createManualClock } from '../../support/manual-clock.ts'

function createRig() {
  const clock = createManualClock()
  const stored = new Map<string, StoredSecretUse>()
  const state = { isAway: false, writes: 0 }
  const uses = createSecretUses({
    clock,
    alarms: { raise() {} },
    store: {
      async write(rows) {
        if (state.isAway) throw new Error('away')
        state.writes += 1
        for (const row of rows) stored.set(row.fingerprint, row)
      },
      read: async () => [...stored.values()],
    },
  })
  const later = async (ms = 60_000) => {
    clock.advance(ms)
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return { uses, clock, stored, state, later }
}

const key = (value: string, id = value) => ({ name: 'KEYS', owner: { id }, value, inUse: true })
const sha = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)

describe('the secrets there are', () => {
  it('are listed in their order, by fingerprint and never by what they are', async () => {
    const list = createRig().uses.begin()
    list.list(key('newest'))
    list.list({ name: 'OTHERS', owner: {}, value: 'other', inUse: false })
    list.list(key('oldest'))
    expect(await list.read()).toEqual([
      { name: 'KEYS', owner: { id: 'newest' }, fingerprint: sha('newest'), position: 1, inUse: true, lastUsedAt: null },
      { name: 'OTHERS', owner: {}, fingerprint: sha('other'), position: 1, inUse: false, lastUsedAt: null },
      { name: 'KEYS', owner: { id: 'oldest' }, fingerprint: sha('oldest'), position: 2, inUse: true, lastUsedAt: null },
    ])
  })

  it('have the same fingerprint as text and as bytes', async () => {
    const list = createRig().uses.begin()
    list.list(key('s'))
    list.list({ ...key('s'), value: Buffer.from('s') })
    const [text, bytes] = await list.read()
    expect(text?.fingerprint).toBe(bytes?.fingerprint)
  })
})

describe('the last use of a secret', () => {
  it('is known at once', async () => {
    const list = createRig().uses.begin()
    list.list(key('a')).lastUsedAt = 5
    expect(await list.read()).toMatchObject([{ lastUsedAt: 5 }])
  })

  it('is written down every minute, where there is news', async () => {
    const { uses, stored, state, later } = createRig()
    const use = uses.begin().list(key('a'))
    uses.start()
    use.lastUsedAt = 5
    await later(59_999)
    expect(state.writes).toBe(0)
    await later(1)
    await later()
    expect([stored.get(sha('a'))?.lastUsedAt, state.writes]).toEqual([5, 1])
    use.lastUsedAt = 6
    await later()
    expect([stored.get(sha('a'))?.lastUsedAt, state.writes]).toEqual([6, 2])
    await uses.stop()
  })

  it('is written down again when it could not be', async () => {
    const { uses, stored, state, later } = createRig()
    uses.begin().list(key('a')).lastUsedAt = 5
    uses.start()
    state.isAway = true
    await later()
    state.isAway = false
    await later()
    expect(stored.get(sha('a'))?.lastUsedAt).toBe(5)
    await uses.stop()
  })

  it('is written down at the end, after which nothing is', async () => {
    const { uses, stored, clock } = createRig()
    uses.begin().list(key('a')).lastUsedAt = 5
    uses.start()
    await uses.stop()
    expect([stored.get(sha('a'))?.lastUsedAt, clock.pending()]).toEqual([5, 0])
  })

  it.each([
    [7, 5, 7],
    [3, 5, 5],
  ])('is the later of what others say (%i) and what is known here (%i)', async (theirs, ours, latest) => {
    const { uses, stored } = createRig()
    const list = uses.begin()
    list.list(key('a')).lastUsedAt = ours
    stored.set(sha('a'), { name: 'KEYS', fingerprint: sha('a'), lastUsedAt: theirs })
    expect(await list.read()).toMatchObject([{ lastUsedAt: latest }])
  })

  it('outlives a reload', async () => {
    const { uses } = createRig()
    uses.begin().list(key('a')).lastUsedAt = 5
    const reloaded = uses.begin()
    reloaded.list(key('b'))
    reloaded.list(key('a'))
    expect(await reloaded.read()).toMatchObject([{ lastUsedAt: null }, { position: 2, lastUsedAt: 5 }])
  })
})
