import { z } from 'zod'
import type { LoadVerdict } from './load-verdict.ts'
import { machineSchema, type Machine } from './machine.ts'
import type { OpenLoopReport } from './open-loop.ts'
import { median } from './statistics.ts'

/** Of the server and its children, for each request; null: it answered none, and JSON has no infinity. */
const cpuSchema = z.number().nullable()

const roundSchema = z.object({
  sentPerSecond: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  cpuMicros: cpuSchema,
  /** Of the machine, that had nothing to do with it. */
  othersShare: z.number(),
})

const pointSchema = z.object({
  /** Sent, as in each of its rounds. */
  perSecond: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  cpuMicros: cpuSchema,
  /** By how much the load generator was late, in the worst of the rounds; null: in one of them nothing left at all. */
  lagP99Ms: z.number().nullable(),
  /** How many had no good answer, of all rounds. */
  notAnswered: z.number(),
  /** What the medians above are of. */
  rounds: z.array(roundSchema),
})

const verdictSchema = z.object({
  rounds: z.array(
    z.object({ ratio: z.number(), leftOut: z.enum(['generator behind', 'other overloaded']).nullable() }),
  ),
  /** Of the rounds that are not left out; null where all are. */
  median: z.number().nullable(),
  verdict: z.enum(['holds', 'FAILS', 'not judged']),
})

export const latencyResultsSchema = z.object({
  machine: machineSchema,
  rounds: z.number(),
  seconds: z.number(),
  series: z.array(
    z.object({
      what: z.string(),
      /** The highest constant rate that it kept up with, in each round. */
      saturation: z.array(z.number()),
      /** In so many of them the load generator was late where the server did not keep up: it may do more. */
      saturationBehind: z.number(),
      points: z.array(pointSchema),
    }),
  ),
  /**
   * The gateway's p99 at a share of its saturation as a multiple of the bare one's, at that share of its own, or at the
   * same rate; and what that is of: several times in each round, at what was found in it.
   */
  judged: z.object({
    share: z.number(),
    atMost: z.number(),
    ownRates: verdictSchema,
    sameRate: verdictSchema,
    gateway: z.array(roundSchema),
    bareOwn: z.array(roundSchema),
    bareSame: z.array(roundSchema),
  }),
})

/** Latency against a constant arrival rate, a line for each server. */
export type LatencyResults = z.infer<typeof latencyResultsSchema>
export type LatencyPoint = z.infer<typeof pointSchema>

export type Round = OpenLoopReport & {
  readonly sentPerSecond: number
  readonly cpuMicros: number
  readonly othersShare: number
}

export interface Step {
  readonly what: string
  readonly rounds: Round[]
}

export interface Climb {
  readonly what: string
  /** The highest constant rate that it kept up with, in each round. */
  readonly saturation: readonly number[]
  readonly saturationBehind: number
  readonly steps: readonly Step[]
}

export interface Climbs {
  readonly gateway: Climb
  /** At the gateway's rates. */
  readonly bare: Climb
  readonly trial: Trial
}

/** At the share of saturation that is judged, as each round found it. */
export interface Trial {
  readonly gateway: Step
  /** At that share of what the bare one can do. */
  readonly bareOwn: Step
  /** As often as the gateway. */
  readonly bareSame: Step
}

export interface Judged {
  readonly share: number
  readonly atMost: number
  readonly ownRates: LoadVerdict
  readonly sameRate: LoadVerdict
}

/** What is published of a run: whatever is told of it elsewhere stands in here. */
export function latencyResults(
  { gateway, bare, trial }: Climbs,
  judged: Judged,
  how: { readonly machine: Machine; readonly rounds: number; readonly seconds: number },
): LatencyResults {
  return {
    ...how,
    series: [gateway, bare].map(({ steps, saturation, ...climb }) => ({
      ...climb,
      saturation: [...saturation],
      points: steps.map(pointOf),
    })),
    judged: {
      ...judged,
      ownRates: verdictOf(judged.ownRates),
      sameRate: verdictOf(judged.sameRate),
      gateway: roundsOf(trial.gateway),
      bareOwn: roundsOf(trial.bareOwn),
      bareSame: roundsOf(trial.bareSame),
    },
  }
}

function pointOf(step: Step): LatencyPoint {
  const { rounds } = step
  return {
    perSecond: median(rounds.map(({ sentPerSecond }) => sentPerSecond)),
    p50Ms: median(rounds.map(({ latencyMs }) => latencyMs.p50)),
    p99Ms: median(rounds.map(({ latencyMs }) => latencyMs.p99)),
    cpuMicros: ifFinite(median(rounds.map(({ cpuMicros }) => cpuMicros))),
    lagP99Ms: ifFinite(greatestLagMs(rounds)),
    notAnswered: notAnswered(rounds),
    rounds: roundsOf(step),
  }
}

function roundsOf({ rounds }: Step): LatencyPoint['rounds'] {
  return rounds.map(({ sentPerSecond, latencyMs, cpuMicros, othersShare }) => ({
    sentPerSecond,
    p50Ms: latencyMs.p50,
    p99Ms: latencyMs.p99,
    cpuMicros: ifFinite(cpuMicros),
    othersShare,
  }))
}

function verdictOf({ rounds, median: middle, verdict }: LoadVerdict) {
  return { rounds: [...rounds], median: ifFinite(middle), verdict }
}

export function greatestLagMs(rounds: readonly Round[]): number {
  return Math.max(...rounds.map(({ lagMs }) => lagMs.p99))
}

export function notAnswered(rounds: readonly Round[]): number {
  return rounds.reduce((sum, { due, accepted }) => sum + due - accepted, 0)
}

/** JSON knows no other numbers. */
function ifFinite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
