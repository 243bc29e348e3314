import type { ComponentChildren } from 'preact'
import { queryText, type Query } from '../api.ts'
import { go, href } from '../router.ts'
import { filled } from './field.tsx'
import { Form } from './form.tsx'

/** What of a page's list is seen. It is part of the address, so that it can be sent to somebody. */
export function Filters({
  page,
  names,
  filter,
  all,
  children,
}: {
  page: string
  names: readonly string[]
  filter: Query
  /** The way back to the whole list, in words. */
  all: string
  children: ComponentChildren
}) {
  return (
    // What is filled in begins anew with each address.
    <Form key={queryText(filter)} label="Filter" onFilled={(form) => go(href(page) + queryText(filled(form, names)))}>
      {children}
      <button type="submit" class="primary">
        Show
      </button>
      {Object.keys(filter).length > 0 && <a href={href(page)}>{all}</a>}
    </Form>
  )
}
