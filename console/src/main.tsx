/*
 * The console, for operators: what the gateway does now, and how to steer it. It speaks to the admin listener that it is
 * served by, and to nobody else.
 *
 *   session.ts   who is signed in; without it `Login` is all there is
 *   router.ts    which page: the part of the address behind the `#`, so that the server knows one page only
 *   pages.ts     every page, loaded when it is first opened
 *   stream.ts    GET /api/stream as signals: the last five minutes, and deliveries as they come
 *   api.ts       everything else of the admin API, with errors as they are to be shown
 *   parts/       what pages are made of; style.css holds its tokens, light and dark
 *
 * Types of what is asked for come from the schemas of the admin API by `import type`; nothing else of the gateway is here.
 */
import { render } from 'preact'
import './style.css'
import { App } from './app.tsx'
import { followTheme } from './theme.ts'

followTheme()
const place = document.getElementById('console')
if (place !== null) render(<App />, place)
