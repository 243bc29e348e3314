import type { ServerResponse } from 'node:http'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import type { Answer } from '../../support/fake-region.ts'
import { blockActions, eventCallback, slashCommand, type SlackBody } from '../../support/slack-payloads.ts'
import { SINGLE } from '../../support/slack-surfaces.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'
import { TOLD, tellStream } from './told-stream.ts'

const well: Answer = (res) => res.end()
const badly: Answer = (res) => res.writeHead(503).end()
/** As many as a live tail keeps. */
const KEPT = 40

describe.skipIf(!testsBrowser())('the console’s deliveries', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    // Long enough to be looked at while a region has not answered.
    console = await startConsole({ SLACK_BUDGET_MS: '30000' })
  })
  afterEach(async () => {
    console.answer('us', well)
    console.answer('eu', well)
    await window.close()
  })
  afterAll(() => console.close())

  /** Resolves to the delivery's id. */
  const send = async ({ body, contentType }: SlackBody): Promise<string> =>
    String((await console.test.post(SINGLE, body, { contentType })).headers['x-request-id'])
  const rows = () => window.page.getByRole('row').filter({ has: window.page.getByRole('link') })
  const lane = (figures: string | RegExp) => window.page.getByRole('img', { name: figures })

  it('are found by what is asked for, and whoever is sent the address sees the same', async () => {
    await send(eventCallback())
    console.answer('us', badly)
    await send(slashCommand())
    window = await console.open('#/deliveries')
    const { page } = window
    await expect.poll(() => rows().count()).toBe(2)
    await page.getByLabel('Failed only').check()
    await page.getByLabel('Surface').selectOption('command')
    await page.getByRole('button', { name: 'Show' }).click()
    await expect.poll(() => rows().allInnerTexts()).toEqual([expect.stringMatching(/command \/silo.*told failure/s)])
    const { hash } = new URL(page.url())
    expect(hash).toBe('#/deliveries?surface=command&failed=true')

    const other = await console.open(hash)
    await other.page.getByText('1 delivery, and no more.').waitFor()
    expect(await other.page.getByLabel('Failed only').isChecked()).toBe(true)
    await other.close()
  })

  it('come as they come with the live tail: those that fit, and later where it is paused', async () => {
    window = await console.open('#/deliveries?installation=T0ACME00001&q=tail')
    const { page } = window
    await expectSeen(page.getByText('Nothing is remembered that fits.'))
    await page.getByRole('button', { name: 'Live tail' }).click()
    await expectSeen(page.getByText('Nothing that fits has come yet.'))
    await send(eventCallback())
    await send(slashCommand({ command: '/tail-1' }))
    await expect.poll(() => rows().allInnerTexts()).toEqual([expect.stringContaining('/tail-1')])

    await page.getByRole('button', { name: 'Pause' }).click()
    await send(slashCommand({ command: '/tail-2' }))
    await expectSeen(page.getByText('Paused, 1 new one waiting'))
    expect(await rows().count()).toBe(1)
    await page.getByRole('button', { name: 'Go on' }).click()
    await expect
      .poll(() => rows().allInnerTexts())
      .toEqual([expect.stringContaining('/tail-2'), expect.stringContaining('/tail-1')])
  })

  /** A live tail of what the test tells it. */
  const openTail = async () => {
    window = await console.open(`#/deliveries?live=true&type=${TOLD}`)
    return await tellStream(window, () => expectSeen(window.page.getByText('Nothing that fits has come yet.')))
  }

  /** Their numbers. */
  const seen = () =>
    rows()
      .getByRole('link')
      .evaluateAll((links) => links.map((link) => Number(link.getAttribute('title'))))

  it('are counted while their tail is paused, those too that were about to be shown, and shown when it goes on', async () => {
    const { tell, pass } = await openTail()
    const { page } = window
    await tell(1)
    await pass(1000)
    expect(await seen()).toEqual([1])
    await tell(3, 2)
    await page.getByRole('button', { name: 'Pause' }).click()
    await expectSeen(page.getByText('Paused, 2 new ones waiting'))
    // One is told again, at its end.
    await tell(4, 3)
    await pass(1000)
    await expectSeen(page.getByText('Paused, 3 new ones waiting'))
    await pass(5000)
    expect(await seen()).toEqual([1])
    await page.getByRole('button', { name: 'Go on' }).click()
    await expect.poll(seen).toEqual([4, 3, 2, 1])
    await expectSeen(page.getByText('Live, as they come to this gateway'))
  })

  it('are let go of by a live tail once they are out of sight: a page that is left open does not grow', async () => {
    const { tell, pass } = await openTail()
    const { page } = window
    for (let from = 0; from < 15 * KEPT; from += 50) {
      await tell(...Array.from({ length: 50 }, (_, index) => from + index))
      await pass(1000)
    }
    expect(await rows().count()).toBe(KEPT)
    expect(await alive(page, 'HTMLTableRowElement')).toBeLessThan(1.5 * KEPT)
  })

  it('are shown at once after a quiet while, and then as many a second as can be read', async () => {
    const { tell, pass } = await openTail()
    let told = 0
    for (const [come, notShown] of [
      [41, 1],
      [50, 41],
      [50, 81],
    ] as const) {
      await tell(...Array.from({ length: come }, () => (told += 1)))
      await pass(1000)
      await expectSeen(window.page.getByText(`; ${notShown} were not`))
    }
    expect(await rows().count()).toBe(KEPT)
  })

  it('do not come back once they are out of sight, when the newest is told again at its end', async () => {
    const { tell, pass } = await openTail()
    const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
    await tell(...numbers(1, KEPT))
    await pass(1000)
    await tell(...numbers(KEPT + 1, KEPT + 10))
    await pass(1000)
    await tell(KEPT + 10)
    await pass(1000)
    expect(await seen()).toEqual(numbers(11, KEPT + 10).toReversed())
  })

  it('come first where they failed when more come than the live tail shows, which counts the others', async () => {
    window = await console.open('#/deliveries?q=flood&live=true')
    const { page } = window
    await expectSeen(page.getByText('Nothing that fits has come yet.'))
    await page.getByRole('button', { name: 'Pause' }).click()
    console.answer('us', badly)
    await send(slashCommand({ command: '/flood-failed' }))
    console.answer('us', well)
    // No more at once than the stream tells at once.
    for (const waiting of [40, 70]) {
      await Promise.all(
        Array.from({ length: waiting === 40 ? 39 : 30 }, () => send(slashCommand({ command: '/flood' }))),
      )
      await expectSeen(page.getByText(`Paused, ${waiting} new ones waiting`))
    }
    await page.getByRole('button', { name: 'Go on' }).click()
    await expectSeen(page.getByText('30 were not'))
    expect(await rows().count()).toBe(KEPT)
    expect(await rows().last().innerText()).toContain('/flood-failed')
    await page.getByRole('link', { name: 'The list has them' }).press('Enter')
    await expectSeen(page.getByText('70 deliveries, and no more.'))
    expect(await page.getByRole('main').evaluate((element) => element.matches(':focus'))).toBe(true)
  })

  it('are kept where they failed while more come than a paused tail keeps, and seen when it goes on', async () => {
    const { tell, tellFailed, pass } = await openTail()
    const { page } = window
    await page.getByRole('button', { name: 'Pause' }).click()
    await tellFailed(1)
    await tell(2, 3)
    // Two more than the two hundred that it keeps.
    await tell(...Array.from({ length: 199 }, (_, index) => 4 + index))
    await pass(1000)
    await expectSeen(page.getByText('Paused, 200 new ones waiting'))
    await page.getByRole('button', { name: 'Go on' }).click()
    await expectSeen(page.getByText('; 162 were not'))
    expect(await seen()).toEqual([...Array.from({ length: KEPT - 1 }, (_, index) => 202 - index), 1])
  })

  it('show each region’s attempt on one time axis: its bar, its reason, and when Slack was answered', async () => {
    console.answer('eu', badly)
    const id = await send(blockActions())
    window = await console.open('#/deliveries')
    const { page } = window
    await page.getByTitle(id).click()
    await expectSeen(page.getByRole('heading', { name: `Delivery ${id}` }))
    await expectSeen(lane(/^us, attempt 1: answered with 200 after .*sent at .*breaker closed$/))
    const eu = lane(/^eu, attempt 1: http_503 after .*breaker closed$/)
    expect(await eu.locator('.bar.waiting').count()).toBe(1)
    await expectSeen(page.getByText(/^answered 200 at /))

    // By the keyboard, its figures are to be had as well.
    await lane(/^us/).focus()
    await page.keyboard.press('Tab')
    expect(await eu.evaluate((element) => element.matches(':focus'))).toBe(true)
    await expectSeen(page.getByText(/^eu, attempt 1: http_503/, { exact: false }))
    const row = page.getByRole('region', { name: 'The first attempts in figures' }).getByRole('row', { name: /^eu/ })
    expect(await row.innerText()).toMatch(/http_503\s+closed/)
    await expectSeen(page.getByText('all regions, us, eu (action)'))
  })

  it('follow one that goes on, until its last region has answered', async () => {
    const held: ServerResponse[] = []
    console.answer('eu', (res) => held.push(res))
    const id = await send(blockActions())
    window = await console.open(`#/deliveries/${id}`)
    await expectSeen(lane('eu: still being asked'))
    held[0]?.end()
    await expectSeen(lane(/^eu, attempt 1: answered with 200 after /))
  })

  it('show what a mailbox does afterwards, with times of its own', async () => {
    console.answer('us', badly)
    const id = await send(eventCallback())
    window = await console.open(`#/deliveries/${id}`)
    await expectSeen(lane(/^us, attempt 1: http_503 after /))
    console.answer('us', well)
    await expectSeen(lane(/^us, attempt [2-9]: answered with 200 after /))
  })

  it('lead from a duplicate to what it repeats, and back to how many there were', async () => {
    const event = eventCallback()
    const id = await send(event)
    const again = await send(event)
    window = await console.open(`#/deliveries/${again}`)
    await window.page.getByRole('link', { name: id }).click()
    await expectSeen(window.page.getByText('1 duplicate of it got the same answer'))
  })
})

/** How many objects of a class something in a page still holds, in its document or not; garbage is collected before. */
async function alive(page: Page, name: string): Promise<number> {
  const devtools = await page.context().newCDPSession(page)
  const { result } = await devtools.send('Runtime.evaluate', { expression: `${name}.prototype` })
  const { objects } = await devtools.send('Runtime.queryObjects', { prototypeObjectId: result.objectId ?? '' })
  const { result: count } = await devtools.send('Runtime.callFunctionOn', {
    functionDeclaration: 'function () { return this.length }',
    objectId: objects.objectId ?? '',
  })
  await devtools.detach()
  return Number(count.value)
}
