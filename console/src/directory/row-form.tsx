import type { ComponentChildren } from 'preact'
import { useId, useRef, useState } from 'preact/hooks'
import { getTagged, put, type ApiError } from '../api.ts'
import { Failure } from '../parts/states.tsx'
import { useFocusKept } from '../use-focus-kept.ts'
import { asApiError } from '../use-resource.ts'
import { Conflict } from './conflict.tsx'

/** What a row has in a field; null: nothing. */
export type Value = string | boolean | null
export type Values = Readonly<Record<string, Value>>

export interface RowField {
  readonly name: string
  readonly label: string
  /** A list: one of these. */
  readonly kind: 'text' | 'flag' | readonly string[]
  /** Left empty it is null rather than an empty text. */
  readonly isNullable?: boolean
  readonly isRequired?: boolean
  readonly hint?: string
}

interface RowFormProps<Saved> {
  /** Such as `organization 10`. */
  readonly what: string
  /** Where the row is. */
  readonly path: string
  readonly fields: readonly RowField[]
  /** As it was read, with its entity tag; without a tag it is to be made. */
  readonly row: Values
  readonly etag?: string | undefined
  /** Asked before it is written; false: it is not to be. */
  readonly isMeant?: (values: Values, before: Values) => Promise<boolean>
  /** Beside the button, by what is filled in. */
  readonly aside?: (values: Values, before: Values) => ComponentChildren
  readonly onSaved: (saved: Saved) => void
}

/** What somebody else has made of the row meanwhile; both undefined: it is not there any more. */
interface Theirs {
  readonly row: Values | undefined
  readonly etag: string | undefined
}

/**
 * Changes or makes a row. It is written only over what was read: where somebody else was faster, it is shown what they
 * have changed, and nothing is lost.
 */
export function RowForm<Saved>({ what, path, fields, isMeant, aside, onSaved, ...given }: RowFormProps<Saved>) {
  const [base, setBase] = useState({ row: given.row, etag: given.etag })
  const [values, setValues] = useState(given.row)
  const [error, setError] = useState<ApiError>()
  const [theirs, setTheirs] = useState<Theirs>()
  const [isBusy, setBusy] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  // What was saved is another row, with a form of its own.
  useFocusKept(given.etag)

  const changed = fields.filter(({ name }) => values[name] !== base.row[name])

  async function save(): Promise<void> {
    if (isMeant !== undefined && !(await isMeant(values, base.row))) return
    setBusy(true)
    setError(undefined)
    try {
      const condition = base.etag === undefined ? { 'If-None-Match': '*' } : { 'If-Match': base.etag }
      onSaved(await put<Saved>(path, values, { headers: condition }))
    } catch (failure) {
      const problem = asApiError(failure)
      if (problem.code === 'precondition_failed') await readAgain()
      else setError(problem)
    } finally {
      setBusy(false)
    }
  }

  /** That it cannot be read does not mean that it is gone. */
  async function readAgain(): Promise<void> {
    try {
      setTheirs(await getTagged<Values>(path))
    } catch (failure) {
      const problem = asApiError(failure)
      if (problem.code === 'not_found') setTheirs({ row: undefined, etag: undefined })
      else setError(problem)
    }
  }

  /** What one has not touched becomes theirs; what one has changed stays. */
  function goOn(mine: boolean): void {
    const { row = base.row, etag } = theirs ?? {}
    const merged = Object.fromEntries(
      fields.map(({ name }) => [name, (mine && values[name] !== base.row[name] ? values[name] : row[name]) ?? null]),
    )
    setValues({ ...values, ...merged })
    setBase({ row, etag })
    setTheirs(undefined)
    form.current?.querySelector('input')?.focus()
  }

  return (
    <form
      ref={form}
      class="row-form"
      aria-label={`Edit ${what}`}
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <div class="row-fields">
        {fields.map((field) => (
          <Input
            key={field.name}
            field={field}
            value={values[field.name] ?? null}
            fault={error?.faults.find(({ path: at }) => at === field.name)?.message}
            onChange={(value) => setValues((before) => ({ ...before, [field.name]: value }))}
          />
        ))}
      </div>
      {aside?.(values, base.row)}
      {theirs !== undefined && (
        <Conflict
          what={what}
          fields={fields}
          began={base.row}
          now={theirs.row}
          mine={values}
          onMine={() => goOn(true)}
          onTheirs={() => goOn(false)}
        />
      )}
      {error !== undefined && (
        <Failure
          error={error}
          faults={error.faults.filter(({ path: at }) => fields.every(({ name }) => name !== at))}
        />
      )}
      <div class="actions">
        <button
          type="submit"
          class="primary"
          disabled={isBusy || theirs !== undefined || (base.etag !== undefined && changed.length === 0)}
        >
          {base.etag === undefined ? `Create ${what}` : 'Save'}
        </button>
        {base.etag !== undefined && changed.length > 0 && theirs === undefined && (
          <button type="button" onClick={() => setValues(base.row)}>
            Undo changes
          </button>
        )}
      </div>
    </form>
  )
}

function Input({
  field: { name, label, kind, isNullable, isRequired, hint },
  value,
  fault,
  onChange,
}: {
  field: RowField
  value: Value
  fault: string | undefined
  onChange: (value: Value) => void
}) {
  const id = useId()
  const described = {
    id,
    ...((hint !== undefined || fault !== undefined) && { 'aria-describedby': `${id}-more` }),
    ...(fault !== undefined && { 'aria-invalid': true }),
  }
  const text = typeof value === 'string' ? value : ''
  return (
    <div class={`field ${kind === 'flag' ? 'flag' : ''}`}>
      {kind !== 'flag' && <label for={id}>{label}</label>}
      {kind === 'text' && (
        <input
          {...described}
          name={name}
          value={text}
          required={isRequired ?? false}
          onInput={({ currentTarget: { value: typed } }) =>
            onChange(isNullable === true && typed === '' ? null : typed)
          }
        />
      )}
      {kind === 'flag' && (
        <label class="check" for={id}>
          <input
            {...described}
            name={name}
            type="checkbox"
            checked={value === true}
            onChange={({ currentTarget }) => onChange(currentTarget.checked)}
          />
          <span>{label}</span>
        </label>
      )}
      {typeof kind === 'object' && (
        <select {...described} name={name} value={text} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
          {(kind.includes(text) ? kind : [text, ...kind]).map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      )}
      {(hint !== undefined || fault !== undefined) && (
        <p id={`${id}-more`} class={fault === undefined ? 'hint' : 'fault'}>
          {fault === undefined ? hint : `${label} ${fault}`}
        </p>
      )}
    </div>
  )
}
