import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cacheDirectory } from '../../../src/directory/cache.ts'
import type { DirectoryChange } from '../../../src/directory/change.ts'
import type { Installation, InstallationKey, Lookup } from '../../../src/directory/directory.ts'
import type { Found } from '../../../src/directory/find-installation.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const FRESH = 30_000
const HARD = 60_000
const STALE = 86_400_000

/** Each with the integration that it means where there is one. */
const keys = [
  { key: { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T1' }, id: '1' },
  { key: { by: 'external', provider: 'slack', appId: '', externalId: 'T2' }, id: '2' },
  { key: { by: 'id', provider: 'slack', id: '1' }, id: '1' },
] as const satisfies { key: InstallationKey; id: string }[]

const integrationId = fc.constantFrom('1', '2')
const which = fc.nat(keys.length - 1)
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('find'), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ask'), which }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer'), nth: fc.nat(2), fails: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('answer_all') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('edit'), id: integrationId, isThere: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('edit_all') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hear'), nth: fc.oneof(fc.constant(0), fc.nat(4)) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('miss') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.constantFrom(1, 499, 1001, FRESH, HARD) }) },
)
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never

/** A cache, the database behind it and what it is told, each step by step; and what has to hold of all its answers. */
function setUp(readsAtOnce: readonly boolean[]) {
  const clock = createManualClock()
  /** The states of the database, by version: who is there, and at which version that was written. */
  const history: ReadonlyMap<string, number>[] = [
    new Map([
      ['1', 0],
      ['2', 0],
    ]),
  ]
  const latest = () => history.at(-1) ?? new Map<string, number>()
  const version = () => history.length - 1
  const changes: DirectoryChange[] = []
  /** The version that whoever has heard what we have heard must not fall behind, for each integration. */
  const heard = new Map([
    ['1', 0],
    ['2', 0],
  ])
  const atLeast = (id: string, least: number) => heard.set(id, Math.max(heard.get(id) ?? 0, least))
  const pending: ((fails: boolean) => void)[] = []
  const loading = new Set<string>()
  /** How often a key was asked for that was being asked for. */
  let atOnce = 0
  let asked = 0
  /** What a look-up would find remembered, were it current. */
  const remembered = new Map<
    string,
    { readonly version: number; readonly askedAt: number; readonly isThere: boolean }
  >()
  const waiting = new Set<Promise<void>>()
  const wrong: unknown[] = []

  const cache = cacheDirectory(
    {
      find(key) {
        const name = JSON.stringify(key)
        if (loading.has(name)) atOnce++
        loading.add(name)
        const id = keys.find((one) => JSON.stringify(one.key) === name)?.id ?? ''
        const askedAt = clock.monotonic()
        const early = (readsAtOnce[asked++ % readsAtOnce.length] ?? false) ? version() : undefined
        return new Promise<Found>((resolve, reject) =>
          pending.push((fails) => {
            loading.delete(name)
            if (fails) return reject(new Error('away'))
            const at = early ?? version()
            const isThere = history[at]?.has(id) === true
            remembered.set(name, { version: at, askedAt, isThere })
            resolve({ installation: isThere ? installationAt(id, at) : undefined, version: at })
          }),
        )
      },
      ping: () => Promise.resolve(),
    },
    {
      entries: 100,
      freshMs: FRESH,
      hardMs: HARD,
      staleMs: STALE,
      // The time of day is nobody's business here: it may step.
      clock: { ...clock, now: () => NaN },
      counters: createCounters(),
      log: silentLog,
    },
  )

  async function checked(answer: Promise<Lookup>, least: number, id: string): Promise<void> {
    const lookup = await answer
    if (lookup.verdict === 'stale') expect(lookup.ageMs).toBeLessThanOrEqual(STALE)
    if (lookup.verdict === 'found') expect(versionOf(lookup.installation)).toBeGreaterThanOrEqual(least)
    // It must have been so at one of the versions from then on.
    if (lookup.verdict === 'absent') expect(history.slice(least).some((state) => !state.has(id))).toBe(true)
  }

  function watch(answer: Promise<void>): void {
    const watched = answer.catch((error: unknown) => void wrong.push(error)).finally(() => waiting.delete(watched))
    waiting.add(watched)
  }

  function find(at: number): Promise<Lookup> {
    const { key, id } = keys[at] ?? keys[0]
    const least = heard.get(id) ?? 0
    const entry = remembered.get(JSON.stringify(key))
    const before = asked
    const answer = Promise.resolve(cache.find(key))
    const isFresh = entry?.isThere === true && clock.monotonic() - entry.askedAt <= FRESH
    // What is as new as all that was heard of needs no asking, however late it was heard.
    if (isFresh && entry.version >= least && entry.askedAt > missedAt) expect(asked).toBe(before)
    watch(checked(answer, least, id))
    return answer
  }

  let missedAt = -1

  async function act(step: Action): Promise<void> {
    switch (step.kind) {
      case 'find':
        void find(step.which)
        break
      case 'ask': {
        const { key, id } = keys[step.which] ?? keys[0]
        const least = version()
        watch(checked(cache.ask(key), least, id))
        break
      }
      case 'answer': {
        const [answer] = pending.splice(step.nth % Math.max(1, pending.length), 1)
        answer?.(step.fails)
        break
      }
      case 'answer_all':
        for (const answer of pending.splice(0)) answer(false)
        break
      case 'edit': {
        const state = new Map(latest())
        if (step.isThere) state.set(step.id, history.length)
        else state.delete(step.id)
        history.push(state)
        changes.push({
          version: version(),
          what: {
            kind: 'some',
            integrations: [step.id],
            organizations: [],
            installations: [{ provider: 'slack', externalId: `T${step.id}` }],
          },
        })
        break
      }
      case 'edit_all':
        history.push(new Map(['1', '2'].map((id) => [id, history.length])))
        changes.push({ version: version(), what: { kind: 'all' } })
        break
      case 'hear': {
        // In any order, any of them again, and some never.
        const change = changes.at(-1 - step.nth)
        if (change === undefined) break
        cache.changed(change)
        const { what } = change
        for (const id of what.kind === 'all' ? ['1', '2'] : what.integrations) atLeast(id, change.version)
        break
      }
      case 'miss':
        cache.missed()
        missedAt = clock.monotonic()
        for (const id of heard.keys()) atLeast(id, version())
        break
      case 'pass':
        clock.advance(step.ms)
        break
    }
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** The database answers everything from now on. */
  async function comeToRest(): Promise<void> {
    while (waiting.size > 0 || pending.length > 0) await act({ kind: 'answer', nth: 0, fails: false })
  }

  return { act, find, comeToRest, clock, wrong, atOnce: () => atOnce, isThere: (id: string) => latest().has(id) }
}

function installationAt(id: string, version: number): Installation {
  return {
    integration: {
      id,
      provider: 'slack',
      appId: '',
      externalId: `T${id}`,
      enterpriseId: undefined,
      defaultOrganizationId: undefined,
      name: String(version),
      status: 'active',
    },
    organizations: [],
  }
}

const versionOf = ({ integration }: Installation): number => Number(integration.name)

describe('a cache between a database that may be slow or away and changes that come late, in any order, or never', () => {
  it('gives nothing older than it has heard of but as stale, asks one thing at a time, and ends with what is so', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 20, maxLength: 80 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
        async (actions, readsAtOnce) => {
          const world = setUp(readsAtOnce)
          for (const step of actions) await world.act(step)
          await world.comeToRest()
          expect(world.wrong).toEqual([])

          world.clock.advance(HARD + 1)
          for (const [at, { id }] of keys.entries()) {
            const last = world.find(at)
            await world.comeToRest()
            expect((await last).verdict).toBe(world.isThere(id) ? 'found' : 'absent')
          }
          expect([world.clock.pending(), world.atOnce()]).toEqual([0, 0])
        },
      ),
      { numRuns: 500 },
    )
  })
})
