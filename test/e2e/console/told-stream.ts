import type { DeliveryListing } from '../../../src/admin/delivery-routes.ts'
import type { WatchedPage } from '../../support/browser.ts'

/** What a page is told by its stream, and how time passes in it: both as a test says. */
export interface ToldStream {
  /** Deliveries by their numbers, of which a higher one is newer. Resolves when the page has heard of them. */
  readonly tell: (...numbers: readonly number[]) => Promise<void>
  /** The same, of some that failed. */
  readonly tellFailed: (...numbers: readonly number[]) => Promise<void>
  readonly pass: (ms: number) => Promise<void>
}

/** The type of each that is told. */
export const TOLD = 'told'

// The page has one, and it is never connected: no delivery comes of itself, and none late.
const source = `globalThis.EventSource = class extends EventTarget {
  static CLOSED = 2
  constructor() {
    super()
    globalThis.tellStream = (name, data) => this.dispatchEvent(new MessageEvent(name, { data }))
  }
  close() {}
}`

/** Loads the page again, at which it is told by the test instead of by the gateway; its clock stands from `isThere` on. */
export async function tellStream({ page }: WatchedPage, isThere: () => Promise<void>): Promise<ToldStream> {
  await page.addInitScript(source)
  const loadedAt = Date.now()
  await page.clock.install({ time: loadedAt })
  await page.reload()
  await isThere()
  await page.clock.pauseAt(loadedAt + 3_600_000)
  const tell = async (items: readonly DeliveryListing[]): Promise<void> => {
    const told = JSON.stringify({ items, left_out: 0 })
    await page.evaluate(`tellStream('deliveries', ${JSON.stringify(told)})`)
  }
  return {
    tell: (...numbers) => tell(numbers.map((number) => listing(number, false))),
    tellFailed: (...numbers) => tell(numbers.map((number) => listing(number, true))),
    pass: (ms) => page.clock.runFor(ms),
  }
}

function listing(number: number, failed: boolean): DeliveryListing {
  return {
    id: String(number).padStart(26, '0'),
    received_at: '2026-01-01T00:00:00.000Z',
    surface: 'event',
    type: TOLD,
    installation: 'T0ACME00001',
    integration_id: '1',
    organizations: ['10'],
    regions: ['us'],
    outcome: failed ? 'told_failure' : 'passed_on',
    status: 200,
    failed,
  }
}
