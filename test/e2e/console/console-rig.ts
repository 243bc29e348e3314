import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { adminApp } from '../../../src/admin/admin-listener.ts'
import { openWatched, startBrowser, type WatchedPage } from '../../support/browser.ts'
import { buildConsole } from '../../support/build-console.ts'
import { startFakeRegion, type Answer, type FakeRegion } from '../../support/fake-region.ts'
import { TEAM } from '../../support/slack-payloads.ts'
import { startTestGateway, workspace, type TestGateway } from '../../support/test-gateway.ts'

export const TOKEN = 'the-admin-token-of-these-tests'

export interface ConsoleRig {
  readonly test: TestGateway
  /** `us` and `eu`: Acme has an organization in each. */
  readonly regions: { readonly us: FakeRegion; readonly eu: FakeRegion }
  /** What a region answers from now on; 200 until then. */
  answer(region: 'us' | 'eu', how: Answer): void
  readonly origin: string
  /** Opens a window at a page of the console, such as `#/regions`; signed in unless told otherwise. */
  open(at?: string, options?: BrowserContextOptions & { readonly signedIn?: boolean }): Promise<WatchedPage>
  /** Ends every connection to the admin listener. */
  dropConnections(): void
  close(): Promise<void>
}

const usual = { us: 'us', eu: 'eu', acme: 'acme', beta: 'beta', team: TEAM, name: 'Acme' }

/**
 * The console as it is built, served by a whole gateway with two regions, in a real browser. `names`: what the regions,
 * the organization in each, the workspace and its integration are called.
 */
export async function startConsole(env: Record<string, string> = {}, names = usual): Promise<ConsoleRig> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-console-'))
  opened.defer(() => rm(folder, { recursive: true }))
  await buildConsole(folder)

  const answers: Record<'us' | 'eu', Answer> = { us: (res) => res.end(), eu: (res) => res.end() }
  const us = await startFakeRegion((...asked) => answers.us(...asked))
  opened.defer(() => us.close())
  const eu = await startFakeRegion((...asked) => answers.eu(...asked))
  opened.defer(() => eu.close())
  const test = await startTestGateway({
    regions: [
      { name: names.us, address: us.url },
      { name: names.eu, address: eu.url },
    ],
    directory: workspace(
      { [names.acme]: names.us, [names.beta]: names.eu },
      { external_id: names.team, name: names.name },
    ),
    env: { ADMIN_TOKEN: TOKEN, ...env },
  })
  opened.defer(() => test.close())
  const admin = createServer(adminApp(test.gateway, { page: folder }))
  const origin = await listen(admin)
  opened.defer(async () => {
    admin.closeAllConnections()
    admin.close()
    await once(admin, 'close')
  })
  const cookie = await sessionAt(origin)
  const browser: Browser = await startBrowser()
  opened.defer(() => browser.close())
  const toClose = opened.move()

  return {
    test,
    regions: { us, eu },
    answer(region, how) {
      answers[region] = how
    },
    origin,
    async open(at = '#/', { signedIn = true, ...options } = {}) {
      const watched = await openWatched(browser, { origin, ...(signedIn && { cookie }), ...options })
      await watched.page.goto(`${origin}/${at}`)
      return watched
    },
    dropConnections: () => admin.closeAllConnections(),
    close: () => toClose.disposeAsync(),
  }
}

async function listen(server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A session as the login makes it, so that few tests have to go through that page. */
async function sessionAt(origin: string): Promise<string> {
  const response = await fetch(`${origin}/api/session`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: origin },
    body: JSON.stringify({ token: TOKEN }),
  })
  const [cookie = ''] = response.headers.getSetCookie()
  return cookie.split(';')[0] ?? ''
}
