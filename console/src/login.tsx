import { useEffect, useRef, useState } from 'preact/hooks'
import type { ApiError } from './api.ts'
import { Brand } from './parts/brand.tsx'
import { Failure } from './parts/states.tsx'
import { session, signIn } from './session.ts'
import { asApiError } from './use-resource.ts'

/** All that there is for whoever has not shown the admin token. */
export function Login() {
  const [error, setError] = useState<ApiError>()
  const [isAsking, setAsking] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [])

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = event.currentTarget
    if (!(form instanceof HTMLFormElement)) return
    const token = new FormData(form).get('token')
    setAsking(true)
    setError(undefined)
    try {
      await signIn(typeof token === 'string' ? token : '')
    } catch (failure) {
      setError(asApiError(failure))
    } finally {
      setAsking(false)
    }
  }

  return (
    <main class="alone">
      <form class="login" onSubmit={(event) => void submit(event)}>
        <h1>
          <Brand />
        </h1>
        <label for="token">Admin token</label>
        <input
          id="token"
          name="token"
          type="password"
          required
          ref={input}
          autoComplete="current-password"
          aria-describedby="token-hint"
        />
        <p id="token-hint" class="hint">
          The value of <code>ADMIN_TOKEN</code>. It is exchanged for a session of twelve hours and kept nowhere.
        </p>
        <button type="submit" class="primary" disabled={isAsking}>
          {isAsking ? 'Signing in …' : 'Sign in'}
        </button>
        {error && <WrongToken error={error} />}
        <p class="hint version">Version {session.value?.version}</p>
      </form>
    </main>
  )
}

function WrongToken({ error }: { error: ApiError }) {
  if (error.code !== 'unauthorized') return <Failure error={error} />
  return (
    <p class="failure" role="alert">
      This is not the admin token of this gateway.
    </p>
  )
}
