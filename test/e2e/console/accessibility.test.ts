import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { blockActions, eventCallback, slashCommand, TEAM, type SlackBody } from '../../support/slack-payloads.ts'
import { SINGLE } from '../../support/slack-surfaces.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'

/** Each page, and what is seen once it is there. */
const pages = [
  ['#/', 'Failed last'],
  ['#/deliveries', 'and no more.'],
  ['#/deliveries?live=true&type=none', 'Nothing that fits has come yet.'],
  ['#/deliveries/<delivery>', 'The story in words'],
  ['#/regions', 'as regions.yaml says'],
  ['#/mailboxes', '1 mailbox, and no more.'],
  ['#/dead-letters', '1 dead letter, and no more.'],
  ['#/directory?of=T0ACME00001', 'in the order of regions.yaml'],
  ['#/directory/integrations/1', 'Delete integration 1'],
  ['#/directory/organizations/new', 'Create organization'],
  ['#/directory/organizations/10', 'Delete organization 10'],
  ['#/directory/nothing/10', 'There is no such page.'],
  ['#/explain?delivery=<delivery>', 'Its body was not recorded'],
  ['#/shed', 'There are no rules.'],
  ['#/audit', 'directory.import'],
  ['#/health', 'SLACK_SIGNING_SECRETS'],
  ['#/nowhere', 'There is no such page.'],
] as const

const windows = [
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 800 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 800 } }],
  ['narrow', { colorScheme: 'light', viewport: { width: 360, height: 700 } }],
] as const

describe.skipIf(!testsBrowser())('every page of the console', () => {
  let console: ConsoleRig
  let delivery = ''

  beforeAll(async () => {
    console = await startConsole()
    const send = async ({ body, contentType }: SlackBody) =>
      String((await console.test.post(SINGLE, body, { contentType })).headers['x-request-id'])
    await send(eventCallback())
    console.answer('us', (res) => res.writeHead(410).end())
    await send(eventCallback())
    console.answer('us', (res) => res.writeHead(500).end())
    await send(slashCommand())
    delivery = await send(blockActions())
  })
  afterAll(() => console.close())

  describe.each(windows)('in a %s window', (_name, options) => {
    let window: WatchedPage

    // What moves is half seen for a moment, and hard to read then.
    beforeAll(async () => {
      window = await console.open('#/', { ...options, reducedMotion: 'reduce' })
    })
    // No request to another origin, nothing that the policy forbids, no error.
    afterAll(() => window.close())

    it.each(pages)('%s has no fault of accessibility, and fits', async (at, seen) => {
      await window.page.goto(`${console.origin}/${at.replace('<delivery>', delivery)}`)
      await expectSeen(window.page.getByRole('main').getByText(seen).first())
      expect(await findingsOn(window.page)).toEqual([])
      expect(await window.page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
    })

    it('nor has the dialog that asks before something is done', async () => {
      await window.page.goto(`${console.origin}/#/regions`)
      await window.page.getByRole('button', { name: 'Take down us' }).click()
      await expectSeen(window.page.getByRole('dialog'))
      expect(await findingsOn(window.page)).toEqual([])
      await window.page.keyboard.press('Escape')
    })

    it('nor has the login', async () => {
      await window.page.context().clearCookies()
      await window.page.reload()
      await expectSeen(window.page.getByLabel('Admin token'))
      expect(await findingsOn(window.page)).toEqual([])
    })
  })

  it('is dark or light as the system is, unless something else was chosen, also after it is loaded again', async () => {
    const { page, close } = await console.open('#/', { colorScheme: 'dark' })
    const paper = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    const choice = page.getByLabel('Colours')
    await choice.waitFor()
    const dark = await paper()
    await choice.selectOption('Light')
    const light = await paper()
    await page.reload()
    await choice.waitFor()
    expect([dark, light, await paper()]).toEqual(['rgb(19, 22, 25)', 'rgb(246, 245, 241)', light])
    await close()
  })
})

describe.skipIf(!testsBrowser())('with names of 200 characters', () => {
  const long = (letter: string) => letter.repeat(200)
  const words = 'long names '.repeat(18).trim()
  const names = { us: long('u'), eu: long('e'), acme: long('a'), beta: long('b'), team: `T${long('0').slice(1)}` }
  let console: ConsoleRig
  let window: WatchedPage
  let delivery = ''

  beforeAll(async () => {
    console = await startConsole({}, { ...names, name: words })
    const of = { team_id: names.team }
    const send = async ({ body, contentType }: SlackBody) =>
      String((await console.test.post(SINGLE, body, { contentType })).headers['x-request-id'])
    const event = (type: string) =>
      eventCallback({ ...of, authorizations: [{ ...of, enterprise_id: null, is_enterprise_install: false }] }, { type })
    await send(event(words))
    console.answer('us', (res) => res.writeHead(410).end())
    await send(event(long('t')))
    console.answer('us', (res) => res.writeHead(500).end())
    await send(slashCommand({ ...of, command: `/${long('c').slice(1)}` }))
    console.answer('eu', (res) => res.writeHead(500).end())
    delivery = await send(blockActions({ team: { id: names.team } }, { action_id: long('i') }))
    window = await console.open()
  })
  afterAll(async () => {
    await window.close()
    await console.close()
  })

  describe.each([380, 1280])('no page is wider than a window of %d pixels', (width) => {
    beforeAll(() => window.page.setViewportSize({ width, height: 800 }))

    it.each([...pages, ['#/deliveries?live=true', 'Live, as they come to this gateway'] as const])(
      '%s',
      async (at, seen) => {
        const { page } = window
        await page.goto(`${console.origin}/${at.replace('<delivery>', delivery).replace(TEAM, names.team)}`)
        await expectSeen(page.getByRole('main').getByText(seen).first())
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
      },
    )

    it('nor is the dialog that asks before an organization is unlinked wider than itself', async () => {
      const { page } = window
      await page.goto(`${console.origin}/#/directory/integrations/1`)
      await page.getByRole('button', { name: `Unlink ${names.acme}` }).click()
      const dialog = page.getByRole('dialog')
      await expectSeen(dialog)
      expect(await dialog.evaluate((it) => it.scrollWidth - it.clientWidth)).toBeLessThanOrEqual(0)
      await page.keyboard.press('Escape')
    })
  })
})

/** Whatever a checker finds, serious or not: each with its element and what to do. */
async function findingsOn(page: Page): Promise<string[]> {
  // By evaluation, as a debugger: the page's own policy lets no other script in. It stays until the page is loaded again.
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axe.source)
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()')
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  )
}
