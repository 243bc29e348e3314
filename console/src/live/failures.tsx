import { get, type Page } from '../api.ts'
import { outcomeOf } from '../deliveries/outcome.ts'
import { words } from '../format.ts'
import { Mark, outcomeTone } from '../parts/mark.tsx'
import { Section } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { href } from '../router.ts'
import type { DeliveryListing } from '../shapes.ts'
import { recentFailures } from '../stream.ts'
import { useResource } from '../use-resource.ts'

const SHOWN = 10

/** The last deliveries that failed: as recorded when the page opens, then as they come. */
export function Failures() {
  const recorded = useResource((signal) =>
    get<Page<DeliveryListing>>('/api/deliveries', { failed: true, limit: SHOWN }, { signal }),
  )
  const rows = newest(recentFailures.value, recorded.data?.items ?? [])
  return (
    <Section title="Failed last" aside={<a href="#/deliveries?failed=true">All that failed</a>}>
      {rows.length > 0 ? (
        <Table
          label="Deliveries that failed last"
          rows={rows}
          rowKey={({ id }) => id}
          columns={[
            {
              name: 'Received',
              cell: (row) => (
                <a href={href('deliveries', row.id)}>
                  <Time at={row.received_at} exact />
                </a>
              ),
            },
            { name: 'Surface', cell: (row) => words(row.surface) },
            { name: 'Type', cell: (row) => row.type ?? '–' },
            { name: 'Workspace', cell: (row) => <span class="mono">{row.installation ?? '–'}</span> },
            { name: 'Regions', cell: (row) => row.regions.join(', ') || '–' },
            {
              name: 'Outcome',
              cell: (row) => <Mark tone={outcomeTone(row.outcome, row.failed)}>{outcomeOf(row)}</Mark>,
            },
            { name: 'Answer', numeric: true, cell: (row) => row.status ?? 'gone' },
          ]}
        />
      ) : (
        recorded.data !== undefined && <Empty>None, as far back as records are kept.</Empty>
      )}
      {recorded.error && <Failure error={recorded.error} retry={recorded.reload} />}
      {recorded.data === undefined && recorded.error === undefined && rows.length === 0 && <Loading what="them" />}
    </Section>
  )
}

function newest(live: readonly DeliveryListing[], recorded: readonly DeliveryListing[]): DeliveryListing[] {
  const all = new Map([...recorded, ...live].map((one) => [one.id, one]))
  return [...all.values()].toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, SHOWN)
}
