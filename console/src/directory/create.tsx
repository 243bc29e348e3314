import { useState } from 'preact/hooks'
import { get, type Page } from '../api.ts'
import { notify } from '../parts/notices.tsx'
import { PageHead } from '../parts/section.tsx'
import { Failure, Loading } from '../parts/states.tsx'
import { go, href } from '../router.ts'
import type { RegionNow } from '../shapes.ts'
import { useResource } from '../use-resource.ts'
import { integrationFields } from './integration.tsx'
import { organizationFields } from './organization.tsx'
import { RowForm, type RowField, type Values } from './row-form.tsx'

/** A row that is not there yet; its number is chosen by whoever makes it. */
export function CreateIntegration() {
  return (
    <Create
      kind="integration"
      at="integrations"
      fields={integrationFields}
      row={{
        name: '',
        status: 'active',
        provider: 'slack',
        external_id: '',
        app_id: null,
        enterprise_id: null,
        default_organization_id: null,
      }}
    />
  )
}

export function CreateOrganization() {
  const { data, error, reload } = useResource((signal) => get<Page<RegionNow>>('/api/regions', {}, { signal }))
  if (data === undefined) {
    return (
      <>
        <PageHead title="New organization" />
        {error === undefined ? <Loading what="the regions" /> : <Failure error={error} retry={reload} />}
      </>
    )
  }
  // Into one that regions.yaml does not know nothing could be delivered.
  const names = data.items.filter(({ file_state }) => file_state !== null).map(({ name }) => name)
  return (
    <Create
      kind="organization"
      at="organizations"
      fields={organizationFields(names)}
      row={{ slug: '', name: '', region: names[0] ?? '', status: 'active', held: false }}
    />
  )
}

function Create({ kind, at, fields, row }: { kind: string; at: string; fields: readonly RowField[]; row: Values }) {
  const [id, setId] = useState('')
  const what = `${kind} ${id}`.trim()
  return (
    <>
      <PageHead title={`New ${kind}`}>It is made only if its number is not taken.</PageHead>
      <label class="field new-id">
        <span>Number</span>
        <input
          class="short"
          inputMode="numeric"
          value={id}
          aria-invalid={id !== '' && !/^[1-9]\d*$/.test(id)}
          onInput={({ currentTarget }) => setId(currentTarget.value.trim())}
        />
      </label>
      <RowForm
        what={what}
        path={`/api/${at}/${encodeURIComponent(id || '0')}`}
        fields={fields}
        row={row}
        onSaved={() => {
          notify(`${what} is made`)
          go(href('directory', at, id))
        }}
      />
    </>
  )
}
