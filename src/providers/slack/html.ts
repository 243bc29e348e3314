import { createHash } from 'node:crypto'
import type { Reply } from '../../provider.ts'

/** Markup that is safe to put into a page: only `html` makes it. */
export interface Html {
  readonly markup: string
}

/** Escapes every value, so that a workspace's name stays a name; other `Html` is put in as it is. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | Html)[]): Html {
  const texts = values.map((value) => (typeof value === 'string' ? escape(value) : value.markup))
  return { markup: String.raw({ raw: parts }, ...texts) }
}

export interface Page {
  readonly status: number
  /** What the page is to its reader, told by a mark before they have read a word. */
  readonly mood: 'asks' | 'done' | 'warns'
  readonly title: string
  readonly content: Html
}

/** A complete page. `headers` is a flat name, value, … list that goes before the page's own. */
export function htmlPage(page: Page, headers: readonly string[] = []): Reply {
  const { markup } = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${page.title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body class="${page.mood}">
        <main>
          <h1>${page.title}</h1>
          ${page.content}
        </main>
      </body>
    </html> `
  return { status: page.status, rawHeaders: [...headers, ...PAGE_HEADERS], body: Buffer.from(markup) }
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f4f3f6; --card: #fff; --ink: #1d1726; --quiet: #635b70; --line: #dcd8e3;
  --accent: #5b2a86; --on-accent: #fff; --good: #1b6e45; --bad: #a3293d; --shade: #1d172614;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15121a; --card: #1f1b27; --ink: #f1eef6; --quiet: #aba2ba; --line: #3a3346;
    --accent: #cda9f0; --on-accent: #221431; --good: #7fd6a8; --bad: #ff9aa8; --shade: #0006;
  }
}
* { box-sizing: border-box }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
}
main {
  width: 100%; max-width: 28rem; padding: clamp(1.25rem, 6vw, 2.25rem); overflow-wrap: anywhere;
  background: var(--card); border: 1px solid var(--line); border-radius: 1rem; box-shadow: 0 .5rem 2rem var(--shade);
}
main::before {
  display: grid; place-items: center; width: 2.75rem; height: 2.75rem; margin-bottom: 1.25rem; border-radius: 50%;
  font-size: 1.25rem; font-weight: 700; color: var(--mark); background: color-mix(in srgb, var(--mark) 14%, transparent);
}
.asks { --mark: var(--accent) } .asks main::before { content: '?' / '' }
.done { --mark: var(--good) } .done main::before { content: '\u2713' / '' }
.warns { --mark: var(--bad) } .warns main::before { content: '!' / '' }
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.25; text-wrap: balance }
p { margin: 0 0 1rem; color: var(--quiet); text-wrap: pretty }
dl { margin: 1.25rem 0; border-block: 1px solid var(--line) }
dl div { padding: .625rem 0 }
dl div + div { border-top: 1px solid var(--line) }
dt { color: var(--quiet); font-size: .875rem }
dd { margin: 0; font-weight: 600 }
button {
  width: 100%; padding: .75rem 1rem; border: 0; border-radius: .625rem; cursor: pointer;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600;
}
button:hover { filter: brightness(1.08) }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px }
p:last-child { margin-bottom: 0 }
`

// Outside the page's template, which the formatter may lay out anew: the policy's hash covers every blank in it.
const STYLE_ELEMENT: Html = { markup: `<style>${STYLE}</style>` }

const PAGE_HEADERS = [
  ['Content-Type', 'text/html; charset=utf-8'],
  [
    'Content-Security-Policy',
    `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; ` +
      "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  ],
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Frame-Options', 'DENY'],
  // The address of a page is a token: it goes to no other site, no cache and no search engine.
  ['Referrer-Policy', 'no-referrer'],
  ['Cache-Control', 'no-store'],
  ['X-Robots-Tag', 'noindex'],
  ['Cross-Origin-Opener-Policy', 'same-origin'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
].flat()
