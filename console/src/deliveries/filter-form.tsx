import { queryText } from '../api.ts'
import { Choice, Field, NumberField } from '../parts/field.tsx'
import { RegionChoice } from '../regions/region-choice.tsx'
import { go, href } from '../router.ts'
import { filterOf, localTime, type Filter } from './filter.ts'

const surfaces = ['event', 'command', 'action', 'options', 'page']

/** The common ones; any other can be typed. */
const outcomes = [
  'passed_on',
  'spooled',
  'late',
  'told_failure',
  'silo_client_error',
  'duplicate',
  'unknown_integration',
  'inactive',
  'invalid_signature',
  'malformed_request',
  'rate_limited',
  'shed',
  'caller_gone',
  'internal_error',
]

/** What is asked for is part of the address, so that it can be sent to somebody. */
export function FilterForm({ filter }: { filter: Filter }) {
  const { q, failed, surface, region, ...others } = filter
  const isFiltered = Object.keys(filter).length > 0
  return (
    // What is filled in begins anew with each address.
    <form
      key={queryText(filter)}
      class="delivery-filter"
      aria-label="Filter"
      onSubmit={(event) => {
        event.preventDefault()
        go(href('deliveries') + queryText(filterOf(event.currentTarget)))
      }}
    >
      <div class="filters">
        <Field name="Search">
          <input name="q" type="search" defaultValue={q ?? ''} maxLength={200} placeholder="id, type, workspace, …" />
        </Field>
        <Field name="Surface">
          <Choice name="surface" given={surface} among={surfaces} />
        </Field>
        <RegionChoice given={region} />
        <label class="check">
          <input name="failed" type="checkbox" value="true" defaultChecked={failed === 'true'} />
          <span>Failed only</span>
        </label>
        <button type="submit" class="primary">
          Show
        </button>
        {isFiltered && <a href={href('deliveries')}>All deliveries</a>}
      </div>
      <details open={Object.keys(others).length > 0}>
        <summary>More filters</summary>
        <div class="filters">
          <Field name="Type">
            <input name="type" defaultValue={others.type ?? ''} />
          </Field>
          <Field name="Outcome">
            <input name="outcome" defaultValue={others.outcome ?? ''} list="outcomes" />
            <datalist id="outcomes">
              {outcomes.map((outcome) => (
                <option key={outcome} value={outcome} />
              ))}
            </datalist>
          </Field>
          <Field name="Status">
            <input
              name="status"
              class="short"
              defaultValue={others.status ?? ''}
              inputMode="numeric"
              pattern="[1-5][0-9]{2}"
              title="A status of HTTP, such as 200"
            />
          </Field>
          <Field name="Installation">
            <input name="installation" defaultValue={others.installation ?? ''} placeholder="T0ACME00001" />
          </Field>
          <NumberField label="Integration id" name="integration_id" given={others.integration_id} />
          <NumberField label="Organization id" name="organization_id" given={others.organization_id} />
          <Field name="From">
            <input name="from" type="datetime-local" step={1} defaultValue={localTime(others.from)} />
          </Field>
          <Field name="Until">
            <input name="until" type="datetime-local" step={1} defaultValue={localTime(others.until)} />
          </Field>
        </div>
      </details>
    </form>
  )
}
