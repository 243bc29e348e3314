import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { eventCallback, slashCommand } from '../../support/slack-payloads.ts'
import { SINGLE } from '../../support/slack-surfaces.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'

describe.skipIf(!testsBrowser())('the console', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    console = await startConsole({ RECORD_BODIES: 'all' })
  })
  afterEach(() => window.close())
  afterAll(() => console.close())

  it('explains a webhook that is pasted: who is in and out, and what would happen', async () => {
    window = await console.open('#/explain')
    const { page } = window
    await page.getByLabel('Body', { exact: true }).fill(eventCallback().body)
    await page.getByRole('button', { name: 'Explain' }).click()
    const told = page.getByRole('group', { name: 'The explanation' })
    await expectSeen(told.getByText('event: sent to us; answered with 200'))
    await expectSeen(told.getByText('dispatched, answered with 200'))
    // Whoever asked is led to the answer.
    expect(await told.evaluate((element) => element.matches(':focus'))).toBe(true)
    const region = told.getByRole('region', { name: 'Regions and what happens' })
    expect(await region.getByRole('row', { name: /^eu/ }).innerText()).toMatch(/not asked$/)
  })

  it('explains again what was delivered, as it was recorded', async () => {
    const { body, contentType } = slashCommand({ text: 'link team beta' })
    const { headers } = await console.test.post(SINGLE, body, { contentType })
    window = await console.open(`#/deliveries/${String(headers['x-request-id'])}`)
    const { page } = window
    await page.getByRole('link', { name: 'Explain it now' }).click()
    await page.getByRole('button', { name: 'Explain' }).click()
    await expectSeen(page.getByText('the request names slug beta, used'))
  })

  it('sheds events once it is confirmed, takes them again, and says who has done so', async () => {
    window = await console.open('#/shed')
    const { page } = window
    await page.getByLabel('Integration id').fill('1')
    await page.getByRole('button', { name: 'Shed …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Shed them' }).click()
    await expectSeen(page.getByRole('rowheader', { name: 'integration 1 of slack' }))
    await page.getByRole('button', { name: 'Remove the rule of integration 1 of slack' }).click()
    await expectSeen(page.getByText('Every event is taken.'))
    await page.getByRole('link', { name: 'Who changed what' }).click()
    await expect.poll(() => page.getByRole('row', { name: 'shed' }).count()).toBe(2)
  })
})
