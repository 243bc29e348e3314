import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectSeen, testsBrowser, type WatchedPage } from '../../support/browser.ts'
import { startConsole, TOKEN, type ConsoleRig } from './console-rig.ts'

describe.skipIf(!testsBrowser())('signing in to the console', () => {
  let console: ConsoleRig
  let window: WatchedPage

  beforeAll(async () => {
    console = await startConsole()
  })
  afterEach(() => window.close())
  afterAll(() => console.close())

  const signIn = async (token: string) => {
    await window.page.getByLabel('Admin token').fill(token)
    await window.page.getByRole('button', { name: 'Sign in' }).click()
  }

  it('shows nothing but the login to whoever has no session, and asks for nothing else', async () => {
    window = await console.open('#/regions', { signedIn: false })
    await expectSeen(window.page.getByLabel('Admin token'))
    expect(await window.page.getByRole('navigation').count()).toBe(0)
    expect(window.requests.filter((request) => request.includes('/api/'))).toEqual(['GET /api/session'])
  })

  it('says of a wrong token that it is wrong, and lets one try again', async () => {
    window = await console.open('#/', { signedIn: false })
    await signIn('not-the-token')
    await expectSeen(window.page.getByRole('alert').getByText('not the admin token'))
    // A browser itself puts each 401 into its console.
    expect(window.faults.splice(0)).toEqual([expect.stringContaining('401')])
    await signIn(TOKEN)
    await expectSeen(window.page.getByRole('heading', { name: 'Live' }))
  })

  it('leads to the page that was asked for, and keeps the token nowhere', async () => {
    window = await console.open('#/regions', { signedIn: false })
    await signIn(TOKEN)
    await expectSeen(window.page.getByRole('heading', { name: 'Regions' }))
    const kept = await window.page.evaluate<string>(
      'JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, document.body.innerHTML])',
    )
    expect(kept).not.toContain(TOKEN)
    expect(kept).not.toContain('silo_session')
  })

  it('ends with signing out', async () => {
    window = await console.open('#/', { signedIn: false })
    await signIn(TOKEN)
    // What the page asks for at first would be refused from here on.
    await expectSeen(window.page.getByText('None, as far back'))
    await window.page.getByRole('button', { name: 'Sign out' }).click()
    await expectSeen(window.page.getByLabel('Admin token'))
    await window.page.reload()
    await expectSeen(window.page.getByLabel('Admin token'))
  })

  it('is asked for again when the stream is refused, which then is over', async () => {
    window = await console.open()
    await expectSeen(window.page.getByRole('status').getByText('Live', { exact: true }))
    // All that the page itself asks for has come: from here on there is the stream.
    await expectSeen(window.page.getByText('None, as far back'))
    await window.page.context().clearCookies()
    console.dropConnections()
    await expectSeen(window.page.getByLabel('Admin token'))
    await window.page.evaluate("fetch('/api/session').then((response) => response.text())")
    expect(window.requests.filter((request) => request === 'GET /api/stream')).toHaveLength(2)
    expect(window.faults.splice(0)).not.toEqual([])
  })

  it('is asked for again once the session has ended while a page was open', async () => {
    window = await console.open('#/regions')
    await window.page.getByRole('button', { name: 'Drain us' }).click()
    await window.page.context().clearCookies()
    await window.page.getByRole('dialog').getByRole('button', { name: 'Drain us' }).click()
    await expectSeen(window.page.getByLabel('Admin token'))
    expect(window.faults.splice(0)).toEqual([expect.stringContaining('401')])
    expect(console.test.gateway.topology().byName.get('us')?.state).toBe('active')
  })
})
