import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { blockActions, eventCallback, slashCommand } from '../../support/slack-payloads.ts'
import { COMMANDS, EVENT, SINGLE } from '../../support/slack-surfaces.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'

describe.skipIf(!testsBrowser())('the console’s live page', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    console = await startConsole({ DEDUP_MAX_ENTRIES: '10000' })
  })
  afterEach(() => window.close())
  afterAll(() => console.close())

  const event = (id: number) => {
    const { body, contentType } = eventCallback({ event_id: `Ev${id}` })
    return console.test.post(EVENT, body, { contentType })
  }

  /** What a plot says to those who do not see it. */
  const plot = (name: string) => window.page.getByRole('img', { name })

  it('moves with the webhooks that come, and counts every one of some hundred a second', async () => {
    window = await console.open()
    await expectSeen(plot('none came in the last five minutes'))
    for (let batch = 0; batch < 6; batch++) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => event(batch * 50 + index)))
    }
    await expectSeen(plot('300 webhooks in'))
    await expectSeen(window.page.getByRole('listitem').filter({ hasText: 'passed on 300' }))
    expect(await plot('Time to the answer').getAttribute('aria-label')).toMatch(
      /half within [\d.]+ m?s.* 99 % within [\d.]+ m?s/,
    )
  })

  it('shows a delivery that failed as it fails, with a way to its story', async () => {
    window = await console.open()
    await expectSeen(window.page.getByText('None, as far back'))
    console.answer('us', (res) => res.writeHead(500).end())
    const { body, contentType } = slashCommand()
    await console.test.post(COMMANDS, body, { contentType })
    console.answer('us', (res) => res.end())
    const row = window.page.getByRole('row').filter({ hasText: 'told failure' })
    await expectSeen(row)
    expect(await row.getByRole('link').getAttribute('href')).toMatch(/^#\/deliveries\/[0-9A-Z]{26}$/)
  })

  it('says of one that was passed on that not all had it, as the list of deliveries does', async () => {
    console.answer('eu', (res) => res.writeHead(500).end())
    const { body, contentType } = blockActions()
    await console.test.post(SINGLE, body, { contentType })
    console.answer('eu', (res) => res.end())
    window = await console.open()
    await expectSeen(window.page.getByRole('cell', { name: 'passed on, not by all' }))
  })

  it('says what waits for a region, and that it is drained', async () => {
    await console.test.gateway.steering.steerRegion('us', 'down', 'a test')
    await event(1000)
    window = await console.open()
    await expectSeen(window.page.getByText('1 of 2 regions take traffic (us: down)'))
    await expectSeen(window.page.getByText(/1 delivery waits, the oldest for \d+ s/))
    await console.test.gateway.steering.steerRegion('us', undefined, 'a test')
    await expectSeen(window.page.getByText('All 2 regions take traffic.'))
    await expectSeen(window.page.getByText('Nothing waits.'))
  })

  it('listens only while it is seen: a browser has no more than six connections for all of its tabs', async () => {
    window = await console.open()
    const { page } = window
    await expectSeen(page.getByRole('status').getByText('Live', { exact: true }))
    const be = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`,
      )
    const isStream = (of: { url(): string }) => of.url().endsWith('/api/stream')
    const ended = page.waitForEvent('requestfailed', isStream)
    await be(true)
    await ended
    // Its answer, not its request: what happens before the gateway has that one is nothing it could tell.
    const begun = page.waitForResponse(isStream)
    await be(false)
    await begun
    await event(2000)
    await expectSeen(plot('1 webhook in'))
  })

  it('says when the connection is lost, and goes on when it is back', async () => {
    window = await console.open()
    const state = window.page.getByRole('status')
    await expectSeen(state.getByText('Live', { exact: true }))
    await window.page.context().setOffline(true)
    console.dropConnections()
    await expectSeen(state.getByText('Connection lost'))
    await window.page.context().setOffline(false)
    await expectSeen(state.getByText('Live', { exact: true }))
    // What the browser says of it by itself.
    expect(new Set(window.faults.splice(0).map((fault) => fault.split('::')[0]))).toEqual(
      new Set(['console: Failed to load resource: net']),
    )
  })

  it('tells both plots as a table, too', async () => {
    window = await console.open()
    await window.page.getByText('Both plots as a table').click()
    const table = window.page.getByRole('region', { name: 'Webhooks and answer times by the minute' })
    await expectSeen(table.getByRole('rowheader').first())
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual([
      'Minute',
      'Webhooks',
      'Failed',
      'Half within',
      '99 % within',
    ])
  })

  // The last of them: from then on this gateway is gone.
  it('says that the gateway drains', async () => {
    window = await console.open()
    const state = window.page.getByRole('status')
    await expectSeen(state.getByText('Live', { exact: true }))
    console.test.gateway.startDraining()
    await expectSeen(state.getByText('The gateway is draining'))
  })
})
