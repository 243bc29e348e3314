import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminApp } from '../../src/admin/admin-listener.ts'
import { openWatched, startBrowser, testsBrowser, type WatchedPage } from '../support/browser.ts'
import { buildConsole } from '../support/build-console.ts'
import { openDemo, type OpenDemo } from '../support/open-demo.ts'
import { startTestGateway } from '../support/test-gateway.ts'

const patiently = { timeout: 20_000, interval: 100 }

describe.skipIf(!testsBrowser())('the fault panel of the demo', () => {
  let folder: string
  let terminal: OpenDemo
  let url: string
  let browser: Browser
  let watched: WatchedPage
  let page: Page

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'demo-panel-test-'))
    await buildConsole(folder)
    terminal = openDemo({ page: folder })
    url = await terminal.consoleUrl()
    browser = await startBrowser()
    watched = await openWatched(browser, { origin: url, viewport: { width: 1280, height: 900 } })
    page = watched.page
    await page.goto(url)
  })

  afterAll(async () => {
    await browser.close()
    terminal.press('q')
    await terminal.exitCode
    await rm(folder, { recursive: true })
  })

  const choice = (region: string, behaviour: string) =>
    page.getByRole('group', { name: region }).getByRole('radio', { name: behaviour })

  /** How much waits in a region's mailbox, as its page says. */
  const waiting = (region: string) =>
    page
      .getByRole('row')
      .filter({ hasText: `to ${region}` })
      .getByRole('cell')
      .nth(1)

  const goTo = (place: string) => page.getByRole('link', { name: place, exact: true }).first().click()

  it('breaks none of its words, in a wide window and in a narrow one', async () => {
    await page.getByRole('group').first().waitFor()
    for (const width of [1280, 380]) {
      await page.setViewportSize({ width, height: 900 })
      const heights = await page
        .getByRole('group')
        .locator('label > span')
        .evaluateAll((words) => words.map((word) => word.getBoundingClientRect().height))
      expect(heights.length).toBe(15)
      expect(new Set(heights).size).toBe(1)
    }
    await page.setViewportSize({ width: 1280, height: 900 })
  })

  it('says at first what to do, and does it at a click', async () => {
    await page.getByText('See a webhook survive a dead region.').waitFor()
    await page.getByRole('button', { name: 'Make eu gone' }).click()
    await page.getByText('eu is gone.').waitFor()
    expect(await choice('eu', 'gone').isChecked()).toBe(true)
    await terminal.seen(/── eu is gone: it refuses connections$/)
  })

  it('shows in the waterfall of the next event that the region refuses connections', async () => {
    await page.getByRole('link', { name: 'deliveries', exact: true }).click()
    // Only the first one was sent: of all deliveries it is soon beyond the first page.
    await page.getByRole('searchbox').fill('spooled')
    await page.getByRole('searchbox').press('Enter')
    await expect.poll(() => page.url()).toContain('q=spooled')
    await page.getByRole('row').filter({ hasText: 'spooled' }).last().getByRole('link').first().click()
    await page.getByRole('heading', { name: 'Fan-out' }).waitFor()
    const attempts = page.getByRole('region', { name: 'The first attempts in figures' })
    await attempts.getByText('connect_refused').waitFor()
    expect(await attempts.getByRole('row').nth(1).textContent()).toMatch(/^eu/)
  })

  it('shows the event in the region’s mailbox', async () => {
    await goTo('Mailboxes')
    await expect.poll(() => waiting('eu').textContent(), patiently).toMatch(/^[1-9]\d*$/)
  })

  it('drains the mailbox when the region is healthy again, and says that nothing was lost', async () => {
    await page.getByRole('button', { name: 'Make eu healthy again' }).click()
    await page.getByText(/Nothing was lost\. [1-9]\d* events? waited for eu/).waitFor()
    await expect.poll(() => waiting('eu').textContent(), patiently).toBe('0')
    await terminal.seen(/mailbox +link to globex +delivered to eu /)
  })

  it('is used by keyboard: a region is one stop, its behaviours are chosen with the arrows', async () => {
    await choice('ap', 'healthy').focus()
    for (let step = 0; step < 3; step++) await page.keyboard.press('ArrowRight')
    await page.getByText('ap hangs.').waitFor()
    for (const words of ['is slow', 'answers 500', 'does not answer any more']) {
      await terminal.seen(new RegExp(`── ap ${words}$`))
    }
    for (let step = 0; step < 3; step++) await page.keyboard.press('ArrowLeft')
    await terminal.seen(/── ap is healthy$/)
    expect(await choice('ap', 'healthy').isChecked()).toBe(true)
  })

  it('sees what the keys of the terminal do', async () => {
    terminal.press('3')
    await page.getByText('ap is gone.').waitFor()
    terminal.press('3')
    await page.getByText('ap is gone.').waitFor({ state: 'detached' })
    expect(await choice('ap', 'healthy').isChecked()).toBe(true)
  })

  it('is the demo’s alone', async () => {
    const test = await startTestGateway({ regions: [{ name: 'us', address: 'http://127.0.0.1:9' }] })
    const admin = createServer(adminApp(test.gateway, { page: folder }))
    await once(admin.listen(0, '127.0.0.1'), 'listening')
    const origin = `http://127.0.0.1:${(admin.address() as AddressInfo).port}`
    const other = await openWatched(browser, { origin })
    await other.page.goto(origin)
    await other.page.getByRole('heading', { name: 'Live' }).waitFor()
    expect(await other.page.getByText('break something').count()).toBe(0)
    expect(other.requests.filter((request) => request.includes('demo'))).toEqual([])
    await other.close()
    admin.closeAllConnections()
    await new Promise((resolve) => admin.close(resolve))
    await test.close()
  })

  it('sends the last event again, and floods', async () => {
    await page.getByRole('button', { name: /Last event again/ }).click()
    await page.getByText(/The last event was sent 5 times more/).waitFor()
    for (let copy = 0; copy < 5; copy++) await terminal.seen(/retry /)
    await page.getByRole('button', { name: /Flood/ }).click()
    await terminal.seen(/── a flood: 100 webhooks a second for 10 s$/)
    await page.getByText('A flood: 104 webhooks a second').waitFor()
    expect(watched.faults).toEqual([])
  })
})
