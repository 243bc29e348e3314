import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { startConsole, type ConsoleRig } from './console-rig.ts'

describe.skipIf(!testsBrowser())('the console’s directory', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    console = await startConsole()
  })
  afterEach(() => window.close())
  afterAll(() => console.close())

  const dialog = () => window.page.getByRole('dialog')
  const press = (name: string) => window.page.getByRole('button', { name, exact: true }).click()
  const directory = () => console.test.gateway.directory
  const destinations = () =>
    window.page
      .getByRole('region', { name: 'Regions in the order in which they are asked' })
      .getByRole('row')
      .filter({ has: window.page.getByRole('cell') })
      .allInnerTexts()

  it('says where a workspace goes, in which order, and why', async () => {
    window = await console.open('#/directory')
    await window.page.getByLabel('Workspace, enterprise').fill('T0ACME00001')
    await press('Look up')
    await expectSeen(window.page.getByRole('heading', { name: 'Integration 1 · Acme' }))
    await expect
      .poll(destinations)
      .toEqual([
        expect.stringMatching(/^us\s+active\s+acme\s+in the order of regions.yaml$/),
        expect.stringMatching(/^eu\s+active\s+beta\s+in the order of regions.yaml$/),
      ])
  })

  describe('with more rows than fit on one page of a list', () => {
    /** The gateway’s pages are of one row. */
    const openInSmallPages = async (at: string) => {
      window = await console.open()
      await window.page.route(
        (url) => /^\/api\/(integrations|organizations|organization-integrations)$/.test(url.pathname),
        (route) => {
          const url = new URL(route.request().url())
          url.searchParams.set('limit', '1')
          return route.continue({ url: url.href })
        },
      )
      await window.page.goto(`${console.origin}/#/${at}`)
      return window.page
    }

    it('shows every organization of an integration, and where its webhooks go by all of them', async () => {
      const page = await openInSmallPages('directory/integrations/1')
      await expect
        .poll(destinations)
        .toEqual([expect.stringMatching(/^us\s+active\s+acme/), expect.stringMatching(/^eu\s+active\s+beta/)])
      await expectSeen(page.getByRole('button', { name: 'Unlink acme' }))
      await expectSeen(page.getByRole('button', { name: 'Unlink beta' }))
    })

    it('shows every integration of an organization, and finds all that is looked up', async () => {
      const written = { author: 'a test', precondition: { kind: 'none' } } as const
      const { version: _version, ...acme } = (await directory().integration('1'))!
      for (const id of ['2', '3']) {
        const of = { externalId: `T0ACME0000${id}`, enterpriseId: 'E0ACME00001' }
        await directory().putIntegration({ ...acme, ...of, id, name: `Acme ${id}` }, written)
        await directory().putLink({ integrationId: id, organizationId: '10', status: 'active' }, written)
      }
      const page = await openInSmallPages('directory/organizations/10')
      await expectSeen(page.getByRole('link', { name: '1 Acme' }))
      await expectSeen(page.getByRole('link', { name: '3 Acme 3' }))
      await page.goto(`${console.origin}/#/directory?of=E0ACME00001`)
      await expectSeen(page.getByRole('link', { name: 'T0ACME00003 Acme 3' }))
      for (const id of ['2', '3']) await directory().deleteIntegration(id, written)
    })
  })

  it('moves an organization once it is said what that does, and tells what came of it', async () => {
    window = await console.open('#/directory/organizations/11')
    const { page } = window
    await page.getByLabel('Region').selectOption('us')
    await expectSeen(page.getByText('This moves it from eu to us.'))
    await press('Save')
    expect(await directory().organization('11')).toMatchObject({ region: 'eu' })
    await dialog().getByRole('button', { name: 'Move to us' }).click()
    await expectSeen(page.getByRole('status').getByText('beta lives in us now.'))
    await expectSeen(page.getByText('0 waiting deliveries have followed.'))
    expect(await directory().organization('11')).toMatchObject({ region: 'us', epoch: 1 })

    await page.getByRole('link', { name: '1 Acme' }).click()
    await expect.poll(destinations).toEqual([expect.stringMatching(/^us\s+active\s+acme, beta/)])
  })

  it('writes nothing over what somebody else has changed meanwhile: it is shown, and one’s own is kept', async () => {
    window = await console.open('#/directory/organizations/10')
    const { page } = window
    await page.getByLabel('Name').fill('Acme and Sons')
    const { version: _version, formerly: _formerly, ...row } = (await directory().organization('10'))!
    await directory().putOrganization(
      { ...row, slug: 'acme-2' },
      { author: 'somebody else', precondition: { kind: 'none' } },
    )
    await press('Save')
    const alert = page.getByRole('alert')
    await expectSeen(alert.getByText('Somebody has changed organization 10 meanwhile.'))
    expect(await alert.getByRole('row', { name: 'Slug' }).innerText()).toMatch(/Slug\s+acme\s+acme-2\s+acme/)
    expect(await directory().organization('10')).toMatchObject({ slug: 'acme-2', name: 'acme' })

    expect(window.faults.splice(0)).toEqual([expect.stringContaining('412')])

    await press('Go on with my changes')
    await press('Save')
    await expectSeen(page.getByRole('status').getByText('acme-2 is saved.'))
    expect(await directory().organization('10')).toMatchObject({ slug: 'acme-2', name: 'Acme and Sons' })
  })

  it('says what is wrong with a row once: at its field, or where it has none beside the button', async () => {
    window = await console.open('#/directory/integrations/1')
    const { page } = window
    await page.getByLabel('Provider').fill('no body')
    await press('Save')
    await expectSeen(page.getByText('Provider must be 1 to 255 characters without blanks'))
    expect(await page.getByText('without blanks').count()).toBe(1)
    expect(await page.getByRole('alert').innerText()).toBe('The request is not what this route takes.')

    await page.getByLabel('Organization id').fill('999')
    await press('Link it')
    await expectSeen(page.getByText('names organization 999, which does not exist'))
    expect(await page.getByText('contradicts what is there').allInnerTexts()).toEqual([
      'The change contradicts what is there.',
    ])

    await page.goto(`${console.origin}/#/directory/organizations/new`)
    await page.getByLabel('Number').fill('0')
    await page.getByLabel('Slug').fill('zero')
    await page.getByRole('button', { name: 'Create' }).click()
    await expectSeen(page.getByRole('alert').getByRole('listitem'))
    expect(window.faults.splice(0)).toHaveLength(3)
  })

  it('does not call deleted what cannot be read again', async () => {
    window = await console.open('#/directory/organizations/10')
    const { page } = window
    await page.getByLabel('Name').fill('Acme and Daughters')
    await page.route('**/api/organizations/10', (route) => {
      const isWrite = route.request().method() === 'PUT'
      const [status, code, title] = isWrite
        ? [412, 'precondition_failed', 'Somebody was faster']
        : [503, 'store_unavailable', 'The database cannot be asked']
      return route.fulfill({
        status,
        contentType: 'application/problem+json',
        body: JSON.stringify({ status, code, title }),
      })
    })
    await press('Save')
    await expectSeen(page.getByRole('alert').getByText('The database cannot be asked'))
    expect(await page.getByText('Somebody has deleted').count()).toBe(0)
    expect(window.faults.splice(0)).toHaveLength(2)
  })

  it('leaves the focus on the page once a row is saved, whose form then is another', async () => {
    window = await console.open('#/directory/organizations/10')
    const { page } = window
    await page.getByLabel('Name').fill('Acme and Grandsons')
    await page.getByLabel('Name').press('Enter')
    await expectSeen(page.getByRole('button', { name: 'Save' }).and(page.locator(':disabled')))
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('page')
  })

  it('says that the regions cannot be had where an organization is to be made', async () => {
    window = await console.open('#/')
    const { page } = window
    await page.route('**/api/regions', (route) => route.fulfill({ status: 503 }))
    await page.goto(`${console.origin}/#/directory/organizations/new`)
    await expectSeen(page.getByRole('button', { name: 'Try again' }))
    expect(window.faults.splice(0)).toEqual([expect.stringContaining('503')])
  })

  it('makes an organization, links it, takes the link away, and deletes it', async () => {
    window = await console.open('#/directory/organizations/new')
    const { page } = window
    await page.getByLabel('Number').fill('77')
    await page.getByLabel('Slug').fill('gamma')
    await press('Create organization 77')
    await expectSeen(page.getByRole('heading', { name: 'Organization 77 · gamma' }))

    await page.goto(`${console.origin}/#/directory/integrations/1`)
    await page.getByLabel('Organization id').fill('77')
    await press('Link it')
    await press('Disable the link to gamma')
    await expectSeen(page.getByRole('cell', { name: 'no, its link is disabled' }))
    await press('Unlink gamma')
    await dialog().getByRole('button', { name: 'Unlink gamma' }).click()
    await expectSeen(page.getByRole('status').getByText('gamma is unlinked'))

    await page.goto(`${console.origin}/#/directory/organizations/77`)
    await page.getByRole('button', { name: 'Delete organization 77' }).click()
    await dialog().getByRole('button', { name: 'Delete organization 77' }).click()
    await expectSeen(page.getByText('Where does this workspace go, and why?'))
    expect(await directory().organization('77')).toBeUndefined()
  })
})
