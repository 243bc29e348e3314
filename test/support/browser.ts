import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core'
import { findProgram, whetherToTest } from './server-process.ts'

const program = findProgram('chromium')

/** False where Chromium is not installed, which is said; with `CI` set that is an error instead. */
export const testsBrowser = (): boolean => whetherToTest(program, 'Chromium')

/** A page in a window of its own, with everything that must never happen in one. */
export interface WatchedPage {
  readonly page: Page
  /**
   * Requests to other origins, what the page's policy forbade, and errors in the console or in scripts. Whoever expects
   * some takes them out.
   */
  readonly faults: string[]
  /** Every request that was sent, as `GET /path`. */
  readonly requests: readonly string[]
  /** Rejects with the faults that there were. */
  readonly close: () => Promise<void>
}

/** A browser without a screen, and with nothing on its mind: what it asks for, a page has asked for. */
export async function startBrowser(): Promise<Browser> {
  if (program === undefined) throw new Error('Chromium is not installed')
  return await chromium.launch({
    executablePath: program,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Opens a window and watches it; nothing is loaded yet. */
export async function openWatched(
  browser: Browser,
  { origin, cookie, ...options }: BrowserContextOptions & { readonly origin: string; readonly cookie?: string },
): Promise<WatchedPage> {
  const context = await browser.newContext(options)
  if (cookie !== undefined) {
    const [name = '', value = ''] = cookie.split('=')
    await context.addCookies([{ name, value, url: origin, httpOnly: true, sameSite: 'Strict' }])
  }
  const faults: string[] = []
  const requests: string[] = []
  await context.exposeFunction('tellFault', (fault: string) => void faults.push(fault))
  await context.addInitScript(`addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    tellFault('policy ' + violatedDirective + ' forbids ' + blockedURI))`)
  context.on('request', (request) => {
    const url = new URL(request.url())
    requests.push(`${request.method()} ${url.pathname}`)
    if (url.origin !== origin && url.protocol !== 'data:') faults.push(`request to ${url.href}`)
  })
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => void faults.push(`script: ${error.stack ?? error.message}`))
  return {
    page,
    faults,
    requests,
    async close() {
      await context.close()
      if (faults.length > 0) throw new Error(`in the page there was\n${faults.join('\n')}`)
    },
  }
}

/** Waits until something is seen; rejects where it never is. */
export async function expectSeen(what: Locator): Promise<void> {
  await what.waitFor()
}
