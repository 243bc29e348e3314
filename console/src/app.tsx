import { useEffect } from 'preact/hooks'
import { Layout } from './layout.tsx'
import { Login } from './login.tsx'
import { Confirmation } from './parts/confirm.tsx'
import { Notices } from './parts/notices.tsx'
import { Failure, Loading } from './parts/states.tsx'
import { askSession, session, sessionError } from './session.ts'

/** What is seen depends on who is asking. */
export function App() {
  useEffect(() => void askSession(), [])
  return (
    <>
      <Inside />
      <Confirmation />
      <Notices />
    </>
  )
}

function Inside() {
  if (session.value?.authenticated === true) return <Layout />
  if (session.value !== undefined) return <Login />
  return (
    <main class="alone">
      {sessionError.value === undefined ? (
        <Loading what="the session" />
      ) : (
        <Failure error={sessionError.value} retry={() => void askSession()} />
      )}
    </main>
  )
}
