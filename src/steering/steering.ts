import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Precondition } from '../directory/edit.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import { overrideOf, regionOverrides, type RegionOverride, type RegionOverrides } from './region-overrides.ts'
import { shedRules, type ShedRule } from './shed.ts'
import type { SteeringName, SteeringRow, SteeringStore } from './steering-store.ts'

/** So often each instance looks: what one of them is told is in effect everywhere within a second. */
const LOOK_MS = 500

/** A list with its version, which counts its changes; 0: nobody has ever changed it. */
export interface ShedList {
  readonly version: number
  readonly rules: readonly ShedRule[]
}

export type ShedPut =
  | { readonly kind: 'written'; readonly list: ShedList }
  | { readonly kind: 'precondition_failed'; readonly current: ShedList }

/** What operators have told the whole fleet, as this process knows it; while the database is away, as last known. */
export interface Steering {
  regions(): RegionOverrides
  shed(): ShedList
  /** Sets a region's state over the one in `regions.yaml`; undefined: back to that one. In effect here at once. */
  steerRegion(region: string, override: RegionOverride | undefined, author: string): Promise<void>
  /** Replaces all rules; in effect here at once. */
  putShed(
    rules: readonly ShedRule[],
    options: { readonly author: string; readonly precondition: Precondition },
  ): Promise<ShedPut>
  /** Reads what is in effect, and goes on looking. Rejects when the database cannot be asked. */
  start(): Promise<void>
  stop(): void
}

export interface SteeringParts {
  readonly store: SteeringStore
  readonly clock: Clock
  readonly alarms: Alarms
  /** Told when the overrides have changed since the start. */
  readonly onRegions: () => void
}

export function createSteering({ store, clock, alarms, onRegions }: SteeringParts): Steering {
  const versions: Record<SteeringName, number> = { regions: 0, shed: 0 }
  let overrides: RegionOverrides = {}
  let rules: readonly ShedRule[] = []
  /** Counts what is written here: what was read before may be older, and must not undo it. */
  let written = 0
  let started = false
  let stopped = false
  let cancel = (): void => {}

  function adopt({ name, version, value }: SteeringRow): void {
    versions[name] = version
    if (name === 'shed') {
      rules = understood(name, shedRules, value) ?? rules
      return
    }
    const before = overrides
    overrides = understood(name, regionOverrides, value) ?? overrides
    if (started && !isDeepStrictEqual(before, overrides)) onRegions()
  }

  /** Undefined: a release that is newer than this one has written what this one does not understand. */
  function understood<Schema extends z.ZodType>(name: SteeringName, schema: Schema, value: unknown) {
    const parsed = schema.safeParse(value ?? emptyOf[name])
    if (parsed.success) return parsed.data
    alarms.raise(
      'error',
      `steering: ${name}`,
      { name },
      'What the fleet was told is not understood; the last that was stays',
    )
    return undefined
  }

  async function look(): Promise<void> {
    const asOf = written
    const rows = await store.read(versions)
    if (written !== asOf || stopped) return
    for (const row of rows) adopt(row)
  }

  async function lookAgain(): Promise<void> {
    try {
      await look()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      alarms.raise('warn', 'steering', { reason }, 'It cannot be asked what the fleet was told; the last known stays')
    }
    later()
  }

  function later(): void {
    if (!stopped) cancel = clock.after(LOOK_MS, () => void lookAgain())
  }

  async function write(...change: Parameters<SteeringStore['write']>): Promise<SteeringRow> {
    const row = await store.write(...change)
    written += 1
    // Of two that were written side by side the answers may come in any order.
    if (row.version > versions[row.name]) adopt(row)
    return row
  }

  return {
    regions: () => overrides,
    shed: () => ({ version: versions.shed, rules }),

    async steerRegion(region, override, author) {
      await write('regions', author, ({ value }) => {
        const now = regionOverrides.parse(value ?? emptyOf.regions)
        const before = overrideOf(region, now)
        if (before === override) return undefined
        const { [region]: _, ...others } = now
        return {
          value: override === undefined ? others : { ...others, [region]: override },
          action: override === undefined ? 'region.resume' : override === 'down' ? 'region.down' : 'region.drain',
          subject: `region ${region}`,
          details: { from: before ?? null, to: override ?? null },
        }
      })
    },

    async putShed(next, { author, precondition }) {
      let failed: ShedList | undefined
      const row = await write('shed', author, ({ version, value }) => {
        const now = shedRules.parse(value ?? emptyOf.shed)
        if (!holds(precondition, version)) {
          failed = { version, rules: now }
          return undefined
        }
        if (isDeepStrictEqual(now, next)) return undefined
        return { value: next, action: 'shed.put', subject: 'shed rules', details: { from: now, to: next } }
      })
      if (failed !== undefined) return { kind: 'precondition_failed', current: failed }
      return { kind: 'written', list: { version: row.version, rules: shedRules.parse(row.value ?? emptyOf.shed) } }
    },

    async start() {
      await look()
      started = true
      later()
    },
    stop() {
      stopped = true
      cancel()
    },
  }
}

const emptyOf = { regions: {}, shed: [] } as const

/** The list is always there, if empty. */
function holds(precondition: Precondition, version: number): boolean {
  switch (precondition.kind) {
    case 'none':
    case 'exists':
      return true
    case 'absent':
      return false
    case 'version':
      return precondition.is === version
  }
}
