import { Mark } from '../parts/mark.tsx'
import { Empty } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { href } from '../router.ts'
import type { Installation } from './use-installation.ts'
import { destinationsOf, servedBy, type Destination } from './where.ts'

/** Where webhooks of an integration go, in order, and why. */
export function Destinations({ of: { integration, organizations, links, regions } }: { of: Installation }) {
  const destinations = destinationsOf(integration, servedBy(integration, organizations, links), regions)
  if (destinations.length === 0) {
    return (
      <Empty>
        Nowhere:{' '}
        {integration.status === 'disabled' ? 'the integration is disabled' : 'no active organization is linked to it'}.
        Its webhooks are answered without asking a region.
      </Empty>
    )
  }
  return (
    <Table
      label="Regions in the order in which they are asked"
      columns={[
        { name: 'Region', cell: ({ name }: Destination) => name },
        { name: 'State', cell: ({ region }: Destination) => <State region={region} /> },
        {
          name: 'Organizations',
          cell: ({ organizations: there }: Destination) =>
            there.map(({ id, slug, held }, index) => (
              <>
                {index > 0 && ', '}
                <a href={href('directory', 'organizations', id)}>{slug}</a>
                {held && ' (held)'}
              </>
            )),
        },
        { name: 'Why', cell: ({ why }: Destination) => why },
      ]}
      rows={destinations}
      rowKey={({ name }) => name}
    />
  )
}

function State({ region }: { region: Destination['region'] }) {
  if (region === undefined) return <Mark tone="bad">unknown</Mark>
  if (region.state === 'down') return <Mark tone="bad">down: everything waits</Mark>
  if (region.state === 'draining') return <Mark tone="wait">draining: events wait</Mark>
  if (region.breaker === 'open') return <Mark tone="bad">active, breaker open</Mark>
  return <Mark tone="good">active</Mark>
}
