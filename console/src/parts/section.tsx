import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

/** The head of a page: its name, what it comes to in one sentence, and what can be done at the right. */
export function PageHead({
  title,
  children,
  actions,
}: {
  title: ComponentChildren
  children?: ComponentChildren
  actions?: ComponentChildren
}) {
  return (
    <header class="page-head">
      <div>
        <h1>{title}</h1>
        {children !== undefined && <p class="summary">{children}</p>}
      </div>
      {actions !== undefined && <div class="actions">{actions}</div>}
    </header>
  )
}

/** A part of a page under its own rule. */
export function Section({
  title,
  aside,
  children,
}: {
  title: string
  /** Beside the title: a link, a number, what the unit is. */
  aside?: ComponentChildren
  children: ComponentChildren
}) {
  const id = useId()
  return (
    <section class="section" aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>{title}</h2>
        {aside !== undefined && <div class="aside">{aside}</div>}
      </div>
      {children}
    </section>
  )
}

/** Names and what they are: `<Facts items={[['State', 'active']]} />`. */
export function Facts({ items }: { items: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
