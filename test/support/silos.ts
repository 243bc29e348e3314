import { afterEach } from 'vitest'
import { startFakeRegion, type Answer, type FakeRegion } from './fake-region.ts'
import { startTestGateway, workspace, type TestGateway, type TestGatewayOptions } from './test-gateway.ts'

/** A gateway and the fake regions behind it, by name. */
export interface Silos<Name extends string> extends TestGateway {
  readonly regions: Record<Name, FakeRegion>
  /** The record of the webhook that ends next (or, already here, the first not waited for yet). */
  readonly nextRecord: () => Promise<TestGateway['records'][number]>
}

export interface SilosOptions extends Omit<TestGatewayOptions, 'regions'> {
  /** What `regions.yaml` says of a region besides its name and address. */
  readonly entries?: Record<string, Record<string, unknown>>
  readonly prefix?: string
}

/**
 * For a test file: starts a gateway with one organization in each named region, and closes it with its regions after
 * the test that asked for it.
 */
export function useSilos() {
  const opened: (() => Promise<void>)[] = []
  afterEach(async () => {
    // The gateway first: it waits for what is under way in the regions.
    for (const close of opened.splice(0).toReversed()) await close()
  })

  return async <Name extends string>(
    answers: Record<Name, Answer | undefined>,
    { entries = {}, prefix = '', ...options }: SilosOptions = {},
  ): Promise<Silos<Name>> => {
    const names = Object.keys(answers) as Name[]
    const started = await Promise.all(
      names.map(async (name) => {
        const region = await startFakeRegion(answers[name])
        opened.push(() => region.close())
        return [name, region] as const
      }),
    )
    const gateway = await startTestGateway({
      directory: workspace(Object.fromEntries(names.map((name) => [`org-${name}`, name]))),
      ...options,
      regions: started.map(([name, { url }]) => ({ name, address: `${url}${prefix}`, ...entries[name] })),
    })
    opened.push(() => gateway.close())

    let handedOut = 0
    return {
      ...gateway,
      regions: Object.fromEntries(started) as Record<Name, FakeRegion>,
      async nextRecord() {
        for (;;) {
          const record = gateway.records[handedOut]
          if (record !== undefined) {
            handedOut += 1
            return record
          }
          await new Promise((resolve) => setImmediate(resolve))
        }
      },
    }
  }
}
