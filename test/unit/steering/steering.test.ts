import { describe, expect, it } from 'vitest'
import { createSteering } from '../../../src/steering/steering.ts'
import type { SteeringChange, SteeringRow, SteeringStore } from '../../../src/steering/steering-store.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const anybody = { author: 'ann', precondition: { kind: 'none' } } as const
const drop = { provider: 'acme', answer: 'ok' } as const

/** What a fleet shares, in memory. */
function createTable() {
  const rows = new Map<string, SteeringRow>()
  const audit: SteeringChange[] = []
  const table = { isAway: false, reads: 0, rows, audit, beforeRead: async () => {}, afterWrite: async () => {} }
  const store: SteeringStore = {
    async read(known) {
      table.reads += 1
      if (table.isAway) throw new Error('away')
      const found = [...rows.values()].filter(({ name, version }) => version !== known[name])
      await table.beforeRead()
      return found
    },
    async write(name, _author, change) {
      if (table.isAway) throw new Error('away')
      const { version, value } = rows.get(name) ?? { version: 0, value: null }
      const changed = change({ version, value })
      if (changed === undefined) return { name, version, value }
      audit.push(changed)
      const row = { name, version: version + 1, value: changed.value }
      rows.set(name, row)
      await table.afterWrite()
      return row
    },
  }
  return { table, store }
}

async function start({ table, store }: ReturnType<typeof createTable>) {
  const clock = createManualClock()
  const told: unknown[] = []
  const alarms: string[] = []
  const steering = createSteering({
    store,
    clock,
    alarms: { raise: (_level, _key, _fields, message) => void alarms.push(message) },
    onRegions: () => told.push(steering.regions()),
  })
  await steering.start()
  const look = async () => {
    clock.advance(500)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return { steering, clock, told, alarms, look, table }
}

describe('what a fleet is told', () => {
  it('is nothing at first', async () => {
    const { steering } = await start(createTable())
    expect([steering.regions(), steering.shed()]).toEqual([{}, { version: 0, rules: [] }])
  })

  it('is in effect at once where it is told, and elsewhere within half a second', async () => {
    const shared = createTable()
    const [here, there] = [await start(shared), await start(shared)]
    await here.steering.steerRegion('eu', 'down', 'ann')
    await here.steering.putShed([drop], anybody)
    expect([here.steering.regions(), here.steering.shed().rules]).toEqual([{ eu: 'down' }, [drop]])
    expect([there.steering.regions(), there.steering.shed().rules]).toEqual([{}, []])
    await there.look()
    expect([there.steering.regions(), there.steering.shed().rules]).toEqual([{ eu: 'down' }, [drop]])
  })

  it('is there from the start, without anybody being told of a change', async () => {
    const shared = createTable()
    await (await start(shared)).steering.steerRegion('eu', 'draining', 'ann')
    const { steering, told } = await start(shared)
    expect([steering.regions(), told]).toEqual([{ eu: 'draining' }, []])
  })

  it('tells of regions when their states have changed, and only then', async () => {
    const shared = createTable()
    const [here, there] = [await start(shared), await start(shared)]
    await here.steering.steerRegion('eu', 'down', 'ann')
    await here.steering.putShed([drop], anybody)
    await there.look()
    await there.look()
    expect([here.told, there.told]).toEqual([[{ eu: 'down' }], [{ eu: 'down' }]])
  })

  it('stays while the database is away, which is said, and is looked for again', async () => {
    const shared = createTable()
    const { steering, alarms, look, table } = await start(shared)
    await steering.steerRegion('eu', 'down', 'ann')
    table.isAway = true
    await look()
    expect([steering.regions(), alarms]).toEqual([
      { eu: 'down' },
      ['It cannot be asked what the fleet was told; the last known stays'],
    ])
    table.isAway = false
    table.rows.set('regions', { name: 'regions', version: 9, value: {} })
    await look()
    expect(steering.regions()).toEqual({})
  })

  it('stays where a newer release has told what this one does not understand', async () => {
    const { steering, alarms, look, table } = await start(createTable())
    await steering.steerRegion('eu', 'down', 'ann')
    table.rows.set('regions', { name: 'regions', version: 2, value: { eu: 'asleep' } })
    await look()
    expect(steering.regions()).toEqual({ eu: 'down' })
    expect(alarms).toEqual(['What the fleet was told is not understood; the last that was stays'])
  })

  it('is not undone by a look that began before', async () => {
    const { steering, table, clock } = await start(createTable())
    await steering.steerRegion('us', 'down', 'ann')
    table.rows.set('regions', { name: 'regions', version: 2, value: { ap: 'down' } })
    const gate = Promise.withResolvers<void>()
    table.beforeRead = () => gate.promise
    clock.advance(500)
    await steering.steerRegion('eu', 'down', 'ann')
    gate.resolve()
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(steering.regions()).toEqual({ ap: 'down', eu: 'down' })
  })

  it('is the later of two changes, whichever is heard of first', async () => {
    const { steering, table } = await start(createTable())
    const gate = Promise.withResolvers<void>()
    table.afterWrite = () => gate.promise
    const first = steering.steerRegion('eu', 'down', 'ann')
    table.afterWrite = async () => {}
    await steering.steerRegion('eu', 'draining', 'ann')
    gate.resolve()
    await first
    expect(steering.regions()).toEqual({ eu: 'draining' })
  })

  it('is not looked for any more once stopped', async () => {
    const { steering, table, look, clock } = await start(createTable())
    steering.stop()
    const { reads } = table
    await look()
    expect([table.reads - reads, clock.pending()]).toEqual([0, 0])
  })

  it('cannot be known when the database is away at the start', async () => {
    const shared = createTable()
    shared.table.isAway = true
    await expect(start(shared)).rejects.toThrow('away')
  })
})

describe("a region's state", () => {
  it('is audited with what it was and is', async () => {
    const { steering, table } = await start(createTable())
    await steering.steerRegion('eu', 'draining', 'ann')
    await steering.steerRegion('eu', 'down', 'ann')
    await steering.steerRegion('eu', undefined, 'ann')
    const entry = { subject: 'region eu' }
    expect(table.audit).toMatchObject([
      { ...entry, action: 'region.drain', details: { from: null, to: 'draining' } },
      { ...entry, action: 'region.down', details: { from: 'draining', to: 'down' } },
      { ...entry, action: 'region.resume', details: { from: 'down', to: null } },
    ])
    expect(steering.regions()).toEqual({})
  })

  it('that it has already is no change', async () => {
    const { steering, table } = await start(createTable())
    await steering.steerRegion('eu', undefined, 'ann')
    await steering.steerRegion('eu', 'down', 'ann')
    await steering.steerRegion('eu', 'down', 'ann')
    expect(table.audit).toHaveLength(1)
  })

  it('leaves those of other regions alone', async () => {
    const { steering } = await start(createTable())
    await steering.steerRegion('eu', 'down', 'ann')
    await steering.steerRegion('us', 'draining', 'ann')
    await steering.steerRegion('eu', undefined, 'ann')
    expect(steering.regions()).toEqual({ us: 'draining' })
  })
})

describe('shed rules', () => {
  it('are written under the version they were read at', async () => {
    const { steering } = await start(createTable())
    const put = (is: number) => steering.putShed([drop], { author: 'ann', precondition: { kind: 'version', is } })
    expect(await put(1)).toEqual({ kind: 'precondition_failed', current: { version: 0, rules: [] } })
    expect(await put(0)).toEqual({ kind: 'written', list: { version: 1, rules: [drop] } })
    expect(await put(0)).toEqual({ kind: 'precondition_failed', current: { version: 1, rules: [drop] } })
  })

  it('are always there, if empty', async () => {
    const { steering } = await start(createTable())
    const put = (kind: 'exists' | 'absent') => steering.putShed([], { author: 'ann', precondition: { kind } })
    expect([(await put('exists')).kind, (await put('absent')).kind]).toEqual(['written', 'precondition_failed'])
  })

  it('that are the same again are no change', async () => {
    const { steering, table } = await start(createTable())
    await steering.putShed([drop], anybody)
    expect(await steering.putShed([{ ...drop }], anybody)).toMatchObject({ list: { version: 1 } })
    expect(table.audit).toHaveLength(1)
  })
})
