import type { ComponentChildren } from 'preact'
import type { ApiError, Fault } from '../api.ts'

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

/**
 * What went wrong, every fault of it, and what can be done. `faults`: those that are not shown elsewhere; all of them
 * unless it is said.
 */
export function Failure({
  error,
  faults = error.faults,
  retry,
}: {
  error: ApiError
  faults?: readonly Fault[]
  retry?: (() => void) | undefined
}) {
  const [first, more] = problemInWords(error)
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{first}</strong> {more}
      </p>
      <Faults faults={faults} />
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

/** A problem's title and detail, and nothing twice: some details say the title again, some only lead to the faults. */
export function problemInWords({ title, message, faults }: ApiError): readonly [first: string, more?: string] {
  if (faults.length > 0 || message === title) return [`${title}.`]
  return message.startsWith(title) ? [message] : [`${title}.`, message]
}

/** Where in what was sent something is wrong. */
export function Faults({ faults }: { faults: readonly Fault[] }) {
  if (faults.length === 0) return null
  return (
    <ul class="faults">
      {faults.map(({ path, message }) => (
        <li key={`${path} ${message}`}>
          {path !== '' && <code>{path}</code>} {message}
        </li>
      ))}
    </ul>
  )
}
