import { get, type Page } from '../api.ts'
import { Mark } from '../parts/mark.tsx'
import { Section } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import type { SecretNow } from '../shapes.ts'
import { useResource } from '../use-resource.ts'

/** Which secrets there are, and whether they are still needed: a rotation ends when the old one is not used any more. */
export function Secrets() {
  const { data, error, reload } = useResource((signal) => get<Page<SecretNow>>('/api/secrets', {}, { signal }), {
    everyMs: 15_000,
  })
  return (
    <Section title="Signing secrets" aside="newest first; fingerprints only, the secrets stay where they are">
      {error && <Failure error={error} retry={reload} />}
      {data === undefined && error === undefined && <Loading what="the secrets" />}
      {data?.items.length === 0 && <Empty>There are none.</Empty>}
      {data !== undefined && data.items.length > 0 && (
        <Table
          label="Signing secrets, the newest first"
          rows={data.items}
          rowKey={({ name, fingerprint, position }) => `${name} ${position} ${fingerprint}`}
          columns={[
            { name: 'Variable', cell: ({ name }) => <span class="mono">{name}</span> },
            { name: 'For', cell: ({ app_id: app, id }) => <span class="mono">{app ?? id ?? 'any app'}</span> },
            { name: 'Place', numeric: true, cell: ({ position }) => position },
            { name: 'Fingerprint', cell: ({ fingerprint }) => <span class="mono">{fingerprint}</span> },
            {
              name: 'Needed',
              cell: ({ in_use: isUsed }) =>
                isUsed ? <Mark tone="good">in use</Mark> : <Mark tone="quiet">can be taken out</Mark>,
            },
            {
              name: 'Last used',
              cell: ({ last_used_at: last }) => (last === null ? 'never' : <Ago at={last} />),
            },
          ]}
        />
      )}
    </Section>
  )
}
