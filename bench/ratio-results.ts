import { z } from 'zod'
import { machineSchema } from './machine.ts'
import { judge, median, ratios, type Judged } from './statistics.ts'

const roundSchema = z.object({
  perSecond: z.number(),
  requests: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  /** Of the server and its children, for each request. */
  cpuMicros: z.number(),
  /** On V8's heap, for each request; absent: it has none. */
  allocatedBytes: z.number().optional(),
  /** Of the machine, that had nothing to do with it. */
  othersShare: z.number(),
})

const contenderSchema = z.object({
  name: z.string(),
  what: z.string(),
  /** What the gateway is to cost at the most, as a multiple of this. */
  limit: z.number().optional(),
  rounds: z.array(roundSchema),
})

const fieldSchema = z.object({
  title: z.string(),
  contenders: z.array(contenderSchema),
  /** Who has no figures, and why. */
  absent: z.array(z.object({ what: z.string(), why: z.string() })),
})

export const ratioResultsSchema = z.object({
  machine: machineSchema,
  rounds: z.number(),
  seconds: z.number(),
  connections: z.number(),
  fields: z.array(fieldSchema),
})

/** What wrk and the operating system saw of a server that was asked as fast as it could answer. */
export type Round = z.infer<typeof roundSchema>
/** Those who have done the same job in turns. */
export type Field = z.infer<typeof fieldSchema>
export type RatioResults = z.infer<typeof ratioResultsSchema>

export const GATEWAY = 'gateway'

export interface Standing {
  readonly what: string
  readonly isGateway: boolean
  readonly cpuMicros: readonly number[]
  /** CPU of the gateway as a multiple of its own, round by round; empty without a gateway. */
  readonly ratios: readonly number[]
  /** Undefined where there is no limit, or no gateway. */
  readonly judged: Judged | undefined
  readonly rounds: readonly Round[]
}

/** By CPU per request, the cheapest first. */
export function standings({ contenders }: Field): Standing[] {
  const cpuOf = (rounds: readonly Round[]): number[] => rounds.map(({ cpuMicros }) => cpuMicros)
  const gateway = cpuOf(contenders.find(({ name }) => name === GATEWAY)?.rounds ?? [])
  return contenders
    .map(({ name, what, limit, rounds }) => {
      const cpuMicros = cpuOf(rounds)
      const multiples = ratios(gateway, cpuMicros)
      const judged = limit === undefined || gateway.length === 0 ? undefined : judge(multiples, limit)
      return { what, isGateway: name === GATEWAY, cpuMicros, ratios: multiples, judged, rounds }
    })
    .toSorted((a, b) => median(a.cpuMicros) - median(b.cpuMicros))
}

/** The same results with what they come to: what is printed and published. */
export function summarized(results: RatioResults) {
  const fields = results.fields.map((field) => ({
    ...field,
    standings: standings(field).map(({ what, isGateway, cpuMicros, ratios: multiples, judged }) => ({
      what,
      cpuMicros: median(cpuMicros),
      ...(!isGateway && multiples.length > 0 && { gatewayRatio: median(multiples) }),
      ...(judged !== undefined && { atMost: judged.atMost, verdict: judged.verdict }),
    })),
  }))
  return { ...results, fields }
}
