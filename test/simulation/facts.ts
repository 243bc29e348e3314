import type { Plan } from '../../src/dispatch/dispatch.ts'
import type { RegionResult } from '../../src/dispatch/region-result.ts'
import { regionOf, type MailboxAddress } from '../../src/spool/spool.ts'
import type { GatewayProcess } from './gateway-process.ts'
import type { SimWebhook } from './schedule.ts'

/** What happened to one webhook, as Slack, the regions and the response_url saw it. */
export interface Story {
  readonly webhook: SimWebhook
  readonly arrivals: Arrived[]
  readonly calls: Called[]
  readonly posts: Posted[]
  /** How an owed answer ended, as the gateways' logs say. */
  readonly endings: { readonly result: string; readonly by: GatewayProcess }[]
}

/** One request of Slack's. */
export interface Arrived {
  readonly delivery: string
  readonly by: GatewayProcess
  readonly at: number
  readonly deadline: number
  /** When its body was there: from then on it can be known for one that has come before. */
  readAt: number
  plannedAt: number
  plan: Plan | undefined
  /** `untold`: nobody said that there would be any. `gone`: its process was, before they came. */
  results: readonly RegionResult[] | 'untold' | 'awaited' | 'failed' | 'gone'
  answer: Answered | undefined
  /** Its process was suspended or died meanwhile. */
  disturbed: boolean
}

export interface Answered {
  readonly at: number
  readonly status: number
  /** Of our own replies, which; of a region's, undefined. */
  readonly ours: string | undefined
  readonly body: string
  readonly ending: string
}

/** One call that was written to a connection. */
export interface Called {
  readonly from: GatewayProcess
  readonly region: string
  readonly delivery: string
  readonly organizations: readonly string[]
  readonly at: number
  /** Its key; undefined: it is no mailbox's. */
  readonly mailbox: string | undefined
  /** Its process lost its lease while it was on its way: it is nobody's any more. */
  orphaned: boolean
  over: boolean
  carriedOut: boolean
  /** What the region answered, whether or not anybody heard. */
  status: number | undefined
  says: boolean
}

export interface Posted {
  readonly from: GatewayProcess
  readonly at: number
  readonly body: string
  heard: boolean
  /** What whoever posted can know of it: an answer, or nothing. */
  status: number | undefined
  over: boolean
}

export const keyOf = (address: MailboxAddress): string =>
  address.kind === 'unresolved' ? `?${address.installation}` : `${address.integration}/${regionOf(address)}`
