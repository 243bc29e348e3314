import { useEffect, useRef } from 'preact/hooks'
import { Table } from '../parts/table.tsx'
import type { RowField, Value, Values } from './row-form.tsx'

/** Somebody else has changed a row since it was read: what, and what to do about it. */
export function Conflict({
  what,
  fields,
  began,
  now,
  mine,
  onMine,
  onTheirs,
}: {
  what: string
  fields: readonly RowField[]
  /** As it was read; as it is now (undefined: it was deleted); as it is filled in. */
  began: Values
  now: Values | undefined
  mine: Values
  onMine: () => void
  onTheirs: () => void
}) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => box.current?.focus(), [])
  const differ = now === undefined ? [] : fields.filter(({ name }) => now[name] !== began[name])
  return (
    <div ref={box} class="failure" role="alert" tabIndex={-1}>
      <p>
        <strong>
          {now === undefined ? `Somebody has deleted ${what}.` : `Somebody has changed ${what} meanwhile.`}
        </strong>{' '}
        Nothing was saved.
      </p>
      {differ.length > 0 && (
        <Table
          label={`What has changed of ${what}`}
          columns={[
            { name: 'Field', cell: ({ label }: RowField) => label },
            { name: 'When you began', cell: ({ name }: RowField) => shown(began[name]) },
            { name: 'Now', cell: ({ name }: RowField) => shown(now?.[name]) },
            { name: 'Yours', cell: ({ name }: RowField) => shown(mine[name]) },
          ]}
          rows={differ}
          rowKey={({ name }) => name}
        />
      )}
      <div class="actions">
        <button type="button" onClick={onMine}>
          {now === undefined ? 'Make it again' : 'Go on with my changes'}
        </button>
        {now !== undefined && (
          <button type="button" onClick={onTheirs}>
            Take it as it is now
          </button>
        )}
      </div>
    </div>
  )
}

function shown(value: Value | undefined): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return value == null || value === '' ? '—' : value
}
