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

/** A complete page. `headers` is a flat name, value, … list that goes before the page's own. */
export function htmlPage(
  page: { readonly status: number; readonly title: string; readonly content: Html },
  headers: readonly string[] = [],
): Reply {
  const { markup } = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${page.title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
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
  --paper: #f4f3f6; --card: #fff; --ink: #1d1726; --quiet: #635b70; --line: #dcd8e3; --accent: #5b2a86; --on-accent: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15121a; --card: #1f1b27; --ink: #f1eef6; --quiet: #aba2ba; --line: #3a3346; --accent: #cda9f0;
    --on-accent: #221431;
  }
}
* { box-sizing: border-box }
body {
  margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
}
main {
  width: 100%; max-width: 28rem; padding: clamp(1.25rem, 6vw, 2.25rem);
  background: var(--card); border: 1px solid var(--line); border-radius: 1rem; overflow-wrap: anywhere;
}
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.25; text-wrap: balance }
p { margin: 0 0 1rem; color: var(--quiet) }
dl { margin: 1.25rem 0; border-block: 1px solid var(--line) }
dl div { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; padding: .625rem 0 }
dl div + div { border-top: 1px solid var(--line) }
dt { color: var(--quiet) }
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
