import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { eventCallback } from '../../support/slack-payloads.ts'
import { SINGLE } from '../../support/slack-surfaces.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'

describe.skipIf(!testsBrowser())('the console’s mailboxes', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    console = await startConsole()
  })
  beforeEach(() => {
    console.regions.us.requests.length = 0
  })
  afterEach(() => window.close())
  afterAll(() => console.close())

  const sendEvent = async () => {
    const { body, contentType } = eventCallback()
    await console.test.post(SINGLE, body, { contentType })
  }
  const dialog = () => window.page.getByRole('dialog')
  const answers = (status: number) => console.answer('us', (res) => res.writeHead(status).end())
  const mailbox = async () => (await console.test.gateway.spool.list({ limit: 1 }))[0]

  it('are paused with a reason, which the list says, and go on when they are resumed', async () => {
    answers(503)
    await sendEvent()
    window = await console.open('#/mailboxes')
    const { page } = window
    await expectSeen(page.getByText('1 delivery waits in 1 mailbox; none paused.'))
    await page.getByRole('button', { name: 'Pause mailbox 1' }).click()
    await dialog().getByLabel('Why').fill('us is being mended')
    await dialog().getByRole('button', { name: 'Pause' }).click()
    await expectSeen(page.getByRole('cell', { name: 'paused: us is being mended' }))
    expect(await mailbox()).toMatchObject({ paused: 'us is being mended' })

    answers(200)
    await page.getByRole('button', { name: 'Resume mailbox 1' }).click()
    await dialog().getByRole('button', { name: 'Resume' }).click()
    await expectSeen(page.getByText('Nothing waits.'))
    expect(await mailbox()).toMatchObject({ paused: undefined, depth: 0 })
  })

  it('lead to what was given up, of which one is replayed, or all that fit once it is said how many', async () => {
    answers(400)
    await sendEvent()
    answers(410)
    for (let event = 0; event < 3; event++) await sendEvent()
    window = await console.open('#/mailboxes')
    const { page } = window
    await page.getByRole('link', { name: '4 dead letters of mailbox 1' }).click()
    await expectSeen(page.getByText('4 deliveries were given up; each can be sent again.'))

    answers(200)
    await page.getByRole('row', { name: 'http_410' }).first().getByRole('button').click()
    await dialog().getByRole('button', { name: 'Replay it' }).click()
    await expectSeen(page.getByRole('status').getByText('1 delivery waits again'))
    await expectSeen(page.getByText('3 deliveries were given up'))
    // The button that was pressed has gone with its row.
    await expectSeen(page.locator('main:focus'))

    await page.getByLabel('Reason').fill('http_410')
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByRole('button', { name: 'Replay all that fit' }).click()
    await expectSeen(dialog().getByRole('heading', { name: 'Replay 2 deliveries?' }))
    await expectSeen(dialog().getByText('What was given up with mailbox 1 and reason http_410'))
    await dialog().getByRole('button', { name: 'Replay 2' }).click()
    await expectSeen(page.getByRole('status').getByText('2 deliveries wait again'))
    await expectSeen(page.getByText('No dead letters fit.'))
    // Four that were refused; three of them are tried once more.
    await expect.poll(() => console.regions.us.requests.length).toBe(7)

    await page.getByRole('link', { name: 'All dead letters' }).click()
    await expectSeen(page.getByRole('row', { name: 'http_400' }))
    await expectSeen(page.getByText('1 dead letter, and no more.'))
  })
})
