import { setImmediate as nextTurn } from 'node:timers/promises'
import type { WebhookRecord } from '../../src/telemetry/webhook-record.ts'
import { startFakeRegion, type Answer, type FakeRegion, type RegionRequest } from './fake-region.ts'
import type { SlackBody } from './slack-payloads.ts'
import {
  startTestGateway,
  type PostOptions,
  type TestGateway,
  type TestGatewayOptions,
  type TestReply,
} from './test-gateway.ts'

/** A webhook's answer, and what it caused, once the last region has come to its end. */
export interface Delivered {
  readonly reply: TestReply
  /** The regions that were sent something, in the order of `regions.yaml`: a name for each request. */
  readonly asked: readonly string[]
  /** What each of them was sent. */
  readonly sent: Readonly<Record<string, RegionRequest>>
  readonly record: WebhookRecord
}

/** A gateway with a recording region behind each name. */
export interface Silo extends TestGateway {
  deliver(path: string, body: SlackBody, options?: PostOptions): Promise<Delivered>
  /**
   * The regions that were sent something since the last `deliver` began. An event may be later there than its answer:
   * where the one before is not quite crossed out yet, it waits behind that.
   */
  asked(): readonly string[]
}

export interface SiloOptions extends Omit<TestGatewayOptions, 'regions'> {
  /** In the order of `regions.yaml`; what is said of each goes in there. */
  readonly regions: Readonly<Record<string, Record<string, unknown>>>
  /** Default: 200 with the region's name as its text. */
  readonly answers?: Readonly<Record<string, Answer>>
}

export async function startSilo({ regions, answers = {}, ...options }: SiloOptions): Promise<Silo> {
  const started: [string, FakeRegion][] = []
  for (const name of Object.keys(regions)) {
    started.push([name, await startFakeRegion(answers[name] ?? ((res) => res.end(name)))])
  }
  const gateway = await startTestGateway({
    ...options,
    regions: started.map(([name, region]) => ({ name, address: region.url, ...regions[name] })),
  })

  return {
    ...gateway,
    async deliver(path, { body, contentType }, postOptions) {
      for (const [, region] of started) region.requests.length = 0
      const reply = await gateway.post(path, body, { contentType, ...postOptions })
      const record = await recordOf(gateway, reply)
      const requests = started.flatMap(([name, region]) => region.requests.map((request) => [name, request] as const))
      return { reply, record, asked: requests.map(([name]) => name), sent: Object.fromEntries(requests) }
    },
    asked: () => started.flatMap(([name, region]) => region.requests.map(() => name)),
    async close() {
      await gateway.close()
      for (const [, region] of started) await region.close()
    },
  }
}

/** The story of the webhook that got this reply: told when its last region has come to its end. */
async function recordOf({ records }: TestGateway, reply: TestReply): Promise<WebhookRecord> {
  for (;;) {
    const record = records.find(({ requestId }) => requestId === reply.headers['x-request-id'])
    if (record !== undefined) return record
    await nextTurn()
  }
}
