import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'

describe.skipIf(!testsBrowser())('the console’s regions', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    console = await startConsole()
  })
  afterEach(async () => {
    await console.test.gateway.steering.steerRegion('us', undefined, 'a test')
    await window.close()
  })
  afterAll(() => console.close())

  const stateOfUs = () => console.test.gateway.topology().byName.get('us')?.state
  const us = () => window.page.getByRole('listitem').filter({ has: window.page.getByRole('heading', { name: 'us' }) })
  const focused = () => window.page.evaluate<string>('document.activeElement.textContent')

  it.each([
    ['Drain us', 'draining', 'us is draining'],
    ['Take us down', 'down', 'us is down'],
  ])('%s is done once it is confirmed, and taken back by resuming', async (act, state, notice) => {
    window = await console.open('#/regions')
    await us()
      .getByRole('button', { name: act === 'Drain us' ? act : 'Take down us' })
      .click()
    expect(stateOfUs()).toBe('active')
    await window.page.getByRole('dialog').getByRole('button', { name: act }).click()
    await window.page.getByRole('status').getByText(notice).waitFor()
    expect(stateOfUs()).toBe(state)
    await us().getByText('ordered; the file says active').waitFor()

    await us().getByRole('button', { name: 'Resume us' }).click()
    await window.page.getByRole('dialog').getByRole('button', { name: 'Resume us' }).click()
    await us().getByText('as regions.yaml says').waitFor()
    expect(stateOfUs()).toBe('active')
  })

  it('are steered by the keyboard alone: from the top of the page to a confirmed order', async () => {
    window = await console.open()
    const { page } = window
    await page.getByRole('heading', { name: 'Live' }).waitFor()
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key)
    }
    const tabTo = async (text: string) => {
      for (let step = 0; (await focused()) !== text; step++) {
        if (step > 40) throw new Error(`no way to ${text}`)
        await press('Tab')
      }
    }
    await press('Tab')
    expect(await focused()).toBe('Skip to the page')
    await tabTo('Regions')
    await press('Enter')
    await us().waitFor()
    // Focus has gone on to the page that was opened.
    await tabTo('Drain …')
    await press('Enter')
    await page.getByRole('dialog').waitFor()
    expect(await focused()).toBe('Cancel')
    await press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(await focused()).toBe('Drain …')
    expect(stateOfUs()).toBe('active')

    await press('Enter')
    await page.getByRole('dialog').waitFor()
    await press('Tab')
    expect(await focused()).toBe('Drain us')
    await press('Enter')
    await page.getByRole('status').getByText('us is draining').waitFor()
    expect(stateOfUs()).toBe('draining')
  })

  it('keep the focus in the dialog while it asks', async () => {
    window = await console.open('#/regions')
    await us().getByRole('button', { name: 'Drain us' }).click()
    const seen = new Set<boolean>()
    for (let step = 0; step < 6; step++) {
      await window.page.keyboard.press('Tab')
      seen.add(
        // Between the last and the first button the browser's own controls have it.
        await window.page.evaluate<boolean>(
          "document.activeElement === document.body || document.activeElement.closest('dialog') !== null",
        ),
      )
    }
    expect([...seen]).toEqual([true])
  })

  it('are asked about again by whoever comes back faster than the browser tells that the dialog is closed', async () => {
    window = await console.open('#/regions')
    await us().getByRole('button', { name: 'Drain us' }).click()
    await window.page.evaluate(`{
      document.querySelector('dialog').close()
      document.activeElement.click()
    }`)
    await window.page.evaluate('new Promise((told) => setTimeout(told))')
    await window.page.getByRole('dialog').getByRole('button', { name: 'Drain us' }).click()
    await window.page.getByRole('status').getByText('us is draining').waitFor()
    expect(stateOfUs()).toBe('draining')
  })

  it('say why an order was not carried out, and no word of it twice', async () => {
    window = await console.open('#/regions')
    await us().getByRole('button', { name: 'Drain us' }).click()
    await window.page.route('**/api/regions/us/drain', (route) =>
      route.fulfill({
        status: 503,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          status: 503,
          code: 'store_unavailable',
          title: 'The database cannot be asked',
          detail: 'The database cannot be asked right now; try again.',
        }),
      }),
    )
    await window.page.getByRole('dialog').getByRole('button', { name: 'Drain us' }).click()
    await window.page.getByRole('status').getByText('us is as it was').waitFor()
    const why = window.page.getByRole('status').getByRole('paragraph').filter({ hasText: 'database' })
    expect(await why.innerText()).toBe('The database cannot be asked right now; try again.')
    expect(window.faults.splice(0)).toEqual([expect.stringContaining('503')])
  })
})
