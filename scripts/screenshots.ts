/*
 * node scripts/screenshots.ts [FOLDER]    takes the pictures of the documents, into `docs/screenshots` or elsewhere:
 *                                         from the console as it is, over a demo that runs, with Chromium, in two minutes.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { startBrowser } from '../test/support/browser.ts'
import { buildConsole } from '../test/support/build-console.ts'
import { openDemo } from '../test/support/open-demo.ts'

const WIDTH = 1200
/** A page of the documents loads several of them. */
const MOST_BYTES = 150_000
/** More than the demo sends by itself, so that there is something in the plots. */
const FLOOD = { seconds: 30, per_second: 20 }

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '../docs/screenshots'))
mkdirSync(folder, { recursive: true })

await using stack = new AsyncDisposableStack()
const built = stack.adopt(mkdtempSync(join(tmpdir(), 'silo-gateway-screenshots-')), (path) =>
  rmSync(path, { recursive: true }),
)
await buildConsole(built)
const demo = stack.adopt(openDemo({ page: built }), async (opened) => {
  opened.press('q')
  await opened.exitCode
})
const url = await demo.consoleUrl()
const browser = stack.adopt(await startBrowser(), (opened) => opened.close())
const page = await browser.newPage({
  viewport: { width: WIDTH, height: 860 },
  colorScheme: 'light',
  reducedMotion: 'reduce',
  locale: 'en-GB',
  timezoneId: 'UTC',
})
await page.goto(url)
await page.getByText('See a webhook survive a dead region.').waitFor()

// From here on the page stays open: what its plots show, it has seen.
await flood()
await wait(27_000)
await flood()
await wait(12_000)
await page.getByRole('button', { name: 'Make eu gone' }).click()
await wait(12_000)
await flood()
await page.getByText('breaker open').first().waitFor()
await take('live', { height: 690 })

await page.getByText('Demo: break something').click()
await goTo(`#/deliveries/${await clickThatWasRefused()}`, 'Fan-out')
await take('delivery', { height: 620 })
await goTo('#/regions', 'Breaker')
await take('regions', { height: 560 })
await goTo('#/mailboxes', 'to eu')
await take('mailboxes', { height: 400 })
await goTo('#/directory?of=T0DEMO00001', 'globex')
await take('directory', { height: 400 })

await flood()
await page.getByText('Demo: break something').click()
await page.getByRole('button', { name: 'Make eu healthy again' }).click()
await page.getByText('Nothing was lost.').waitFor()
await wait(15_000)
await page.emulateMedia({ colorScheme: 'dark' })
await goTo('#/', 'Webhooks a second')
await take('live-dark', { height: 670 })

await page.emulateMedia({ colorScheme: 'light' })
await page.getByText('Demo: break something').click()
await goTo('#/deliveries?live=true', 'Live, as they come')
await take('narrow', { width: 390, height: 800 })

/** Anything that is sent again makes its own way: the last flood gives way to this one. */
async function flood(): Promise<void> {
  await fetch(`${url}/api/demo/flood`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(FLOOD),
  })
}

/** The first click of which eu could not be asked. */
async function clickThatWasRefused(): Promise<string> {
  const list = await read<{ items: { id: string }[] }>('/api/deliveries?type=block_actions&region=eu&limit=200')
  for (const { id } of list.items.toReversed()) {
    const { attempts } = await read<{ attempts: { region: string; result: string }[] }>(`/api/deliveries/${id}`)
    if (attempts.some(({ region, result }) => region === 'eu' && result === 'connect_refused')) return id
  }
  throw new Error('eu was never asked while it was gone: take the pictures again')
}

async function read<Answer>(path: string): Promise<Answer> {
  const response = await fetch(url + path)
  return (await response.json()) as Answer
}

async function goTo(place: string, seen: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(place)}`)
  await page.locator('main').getByText(seen).first().waitFor()
  await wait(1500)
}

async function take(name: string, size: Partial<NonNullable<ReturnType<Page['viewportSize']>>>): Promise<void> {
  await page.setViewportSize({ width: WIDTH, height: 860, ...size })
  // The plots are drawn again for the new size.
  await wait(500)
  const path = join(folder, `${name}.png`)
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
  const { size: bytes } = statSync(path)
  console.log(`${path} ${Math.ceil(bytes / 1000)} kB`)
  if (bytes > MOST_BYTES) throw new Error(`${path} is larger than ${MOST_BYTES / 1000} kB: make its window smaller`)
}
