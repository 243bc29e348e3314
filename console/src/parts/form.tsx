import type { ComponentChildren } from 'preact'

/** A form that the page itself makes something of: nothing is sent by the browser. */
export function Form({
  label,
  class: classes = 'filters',
  onFilled,
  children,
}: {
  label: string
  class?: string
  onFilled: (form: HTMLFormElement) => void
  children: ComponentChildren
}) {
  return (
    <form
      class={classes}
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault()
        onFilled(event.currentTarget)
      }}
    >
      {children}
    </form>
  )
}
