import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { appRateLimited, eventCallback, TEAM } from '../../support/slack-payloads.ts'
import { EVENT } from '../../support/slack-surfaces.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'

describe.skipIf(!testsBrowser())('the console’s health page', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    console = await startConsole()
    const { post } = console.test
    for (const id of [1, 2, 3]) {
      const { body, contentType } = eventCallback({ event_id: `Ev${id}` })
      await post(EVENT, body, { contentType })
    }
    const { body, contentType } = appRateLimited()
    await post(EVENT, body, { contentType })
    await post(EVENT, body, { contentType, secret: 'not-the-secret' })
  })
  afterEach(() => window.close())
  afterAll(() => console.close())

  const row = (name: string) => window.page.getByRole('row').filter({ hasText: name })
  const fact = async (name: string) =>
    await window.page
      .locator('dl > div')
      .filter({ has: window.page.getByText(name, { exact: true }) })
      .locator('dd')
      .innerText()

  it('says how far it is to where Slack stops sending, and what counts', async () => {
    window = await console.open('#/health')
    await expectSeen(
      window.page.getByText('Answers are within the line (0 % against 95 %), and Slack has held events back.'),
    )
    await expectSeen(window.page.getByText(/more than 95 % of their deliveries within 60 minutes/))
    expect([await fact('Rate limited'), await fact('Not proven')]).toEqual(['1 time seen', '1 webhook'])
  })

  it('tells who sends how much of what they may', async () => {
    window = await console.open('#/health')
    await expectSeen(row(TEAM))
    expect(await row(TEAM).getByRole('cell').allInnerTexts()).toEqual([expect.any(String), '3', '0.01 %', ''])
  })

  it('lists each signing secret by its fingerprint, and when it was last used', async () => {
    window = await console.open('#/health')
    await expectSeen(row('SLACK_SIGNING_SECRETS'))
    const cells = await row('SLACK_SIGNING_SECRETS').getByRole('cell').allInnerTexts()
    expect(cells).toEqual([
      'any app',
      '1',
      expect.stringMatching(/^[0-9a-f]{12}$/),
      'in use',
      expect.stringMatching(/ago$/),
    ])
  })
})
