import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api.ts'

/** While there is nothing to show yet. */
export function Loading({ what }: { what: string }) {
  return (
    <p class="state" role="status">
      Loading {what} …
    </p>
  )
}

/** Where there is nothing, in words that say why that may be. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="state">{children}</p>
}

/** What went wrong, every fault of it, and what can be done. */
export function Failure({ error, retry }: { error: ApiError; retry?: (() => void) | undefined }) {
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{error.title}.</strong> {error.message !== error.title && error.message}
      </p>
      <Faults error={error} />
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

/** Where in what was sent something is wrong. */
export function Faults({ error }: { error: ApiError }) {
  if (error.faults.length === 0) return null
  return (
    <ul class="faults">
      {error.faults.map(({ path, message }) => (
        <li key={`${path} ${message}`}>
          {path !== '' && <code>{path}</code>} {message}
        </li>
      ))}
    </ul>
  )
}
