import type { ComponentType } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ApiError } from './api.ts'
import { Brand } from './parts/brand.tsx'
import { Mark } from './parts/mark.tsx'
import { NoPage } from './parts/no-page.tsx'
import { notifyFailure } from './parts/notices.tsx'
import { Failure, Loading } from './parts/states.tsx'
import { Time } from './parts/time.tsx'
import { pages, type PageEntry, type PageProps } from './pages.ts'
import { href, place } from './router.ts'
import { session, signOut } from './session.ts'
import { followStream, now, streamState } from './stream.ts'
import { choose, theme, type Theme } from './theme.ts'
import { asApiError } from './use-resource.ts'

/** The frame of every page: where one can go, whether what is seen is live, and who one is. */
export function Layout() {
  useEffect(followStream, [])
  const at = place.value.parts[0] ?? ''
  const page = pages.find((entry) => entry.at === at)
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = page === undefined ? 'silo-gateway' : `${page.name} · silo-gateway`
    // Whoever follows a link goes on from the top of the new page, with the keyboard too.
    if (!isFirst.current) main.current?.focus()
    isFirst.current = false
    scrollTo(0, 0)
  }, [page])

  return (
    <div class="frame">
      <header class="rail">
        <a class="skip" href={location.hash} onClick={(event) => (event.preventDefault(), main.current?.focus())}>
          Skip to the page
        </a>
        <div class="rail-head">
          <Brand />
          <LiveState />
        </div>
        <nav aria-label="Pages">
          <ul>
            {pages.map((entry) => (
              <li key={entry.at}>
                <a
                  href={entry.at === '' ? href() : href(entry.at)}
                  {...(entry === page && { 'aria-current': 'page' as const })}
                >
                  {entry.name}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="rail-foot">
          <ThemeChoice />
          <Who />
        </div>
      </header>
      <div class="stage">
        {session.value?.demo === true && <Demo />}
        <main id="page" ref={main} tabIndex={-1}>
          {page === undefined ? <NoPage /> : <Opened key={page.at} page={page} />}
        </main>
      </div>
    </div>
  )
}

/** A page, once it is loaded. */
function Opened({ page }: { page: PageEntry }) {
  const [opened, setOpened] = useState<{ Page: ComponentType<PageProps> }>()
  const [error, setError] = useState<ApiError>()
  useEffect(() => {
    page.load().then(
      ({ default: Page }) => setOpened({ Page }),
      (failure: unknown) => setError(asApiError(failure)),
    )
  }, [page])
  // After an upgrade of the gateway the page's own file is another one.
  if (error !== undefined) return <Failure error={error} retry={() => location.reload()} />
  if (opened === undefined) return <Loading what={page.name} />
  return <opened.Page place={place.value} />
}

/** What a demo has above every page. Nobody else loads it. */
function Demo() {
  const [loaded, setLoaded] = useState<{ DemoPanel: ComponentType }>()
  useEffect(() => void import('./demo/panel.tsx').then(setLoaded), [])
  return loaded === undefined ? null : <loaded.DemoPanel />
}

function LiveState() {
  return (
    <p class="live-state" role="status">
      {streamState.value === 'connecting' && <Mark tone="quiet">Connecting</Mark>}
      {streamState.value === 'lost' && (
        <Mark tone="bad">Connection lost, trying again{now.value !== undefined && <LastTold at={now.value.at} />}</Mark>
      )}
      {streamState.value === 'bye' && <Mark tone="wait">The gateway is draining</Mark>}
      {streamState.value === 'live' &&
        (now.value?.ready === false ? <Mark tone="bad">Not ready</Mark> : <Mark tone="good">Live</Mark>)}
    </p>
  )
}

function LastTold({ at }: { at: string }) {
  return (
    <>
      ; seen is what was at <Time at={at} />
    </>
  )
}

const themes = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
] as const satisfies readonly (readonly [Theme, string])[]

function ThemeChoice() {
  return (
    <label class="theme">
      <span>Colours</span>
      <select
        value={theme.value}
        onChange={({ currentTarget }) => choose(themes.find(([name]) => name === currentTarget.value)?.[0] ?? 'system')}
      >
        {themes.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

function Who() {
  const { login, author, version } = session.value ?? {}
  return (
    <div class="who">
      <p class="fine">
        {author ?? 'anybody who reaches this listener'}
        <br />
        version {version}
      </p>
      {login === 'token' && (
        <button
          type="button"
          onClick={() => void signOut().catch((error: unknown) => notifyFailure('Still signed in', asApiError(error)))}
        >
          Sign out
        </button>
      )}
    </div>
  )
}
