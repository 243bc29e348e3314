import type { ComponentChildren } from 'preact'
import './lists.css'

/** A control below its name. */
export function Field({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{name}</span>
      {children}
    </label>
  )
}

/** The number of a row, which may be left empty. */
export function NumberField({ label, name, given }: { label: string; name: string; given?: string | undefined }) {
  return (
    <Field name={label}>
      <input name={name} class="short" inputMode="numeric" pattern="[0-9]+" title="Digits" defaultValue={given ?? ''} />
    </Field>
  )
}

/** One of several, or any; one that the address names is there even if nobody knows it. */
export function Choice({
  name,
  given,
  among,
}: {
  name: string
  given: string | undefined
  among: readonly (string | readonly [value: string, text: string])[]
}) {
  const pairs = among.map((one) => (typeof one === 'string' ? ([one, one] as const) : one))
  const all =
    given === undefined || pairs.some(([value]) => value === given) ? pairs : [...pairs, [given, given] as const]
  return (
    <select name={name}>
      <option value="">any</option>
      {all.map(([value, text]) => (
        <option key={value} value={value} selected={value === given}>
          {text}
        </option>
      ))}
    </select>
  )
}

/** The fields of a form that are filled in. */
export function filled<Name extends string>(
  form: HTMLFormElement,
  names: readonly Name[],
): Readonly<Partial<Record<Name, string>>> {
  const data = new FormData(form)
  const all = names.flatMap((name) => {
    const value = data.get(name)
    return typeof value === 'string' && value.trim() !== '' ? [[name, value.trim()] as const] : []
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of these very names
  return Object.fromEntries(all) as Partial<Record<Name, string>>
}

/** The same of an address. */
export function given<Name extends string>(
  query: URLSearchParams,
  names: readonly Name[],
): Readonly<Partial<Record<Name, string>>> {
  const all = names.flatMap((name) => {
    const value = query.get(name)?.trim() ?? ''
    return value === '' ? [] : [[name, value] as const]
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same
  return Object.fromEntries(all) as Partial<Record<Name, string>>
}
