import { Listed } from '../parts/listed.tsx'
import { PageHead } from '../parts/section.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import type { AuditEntry } from '../shapes.ts'
import { useList } from '../use-list.ts'

/** Who changed what. */
export default function Audit() {
  const list = useList<AuditEntry>('/api/audit', {})
  return (
    <>
      <PageHead title="Audit">Who changed what, the newest first.</PageHead>
      <Listed list={list} of={['change', 'changes']} empty="Nothing was changed yet.">
        {(some) => (
          <Table
            label="Changes"
            columns={[
              { name: 'When', cell: ({ at }) => <Time at={at} /> },
              { name: 'Action', cell: ({ action }) => <code>{action}</code> },
              { name: 'Of', cell: ({ subject }) => subject },
              { name: 'Details', cell: ({ details }) => <code class="details">{JSON.stringify(details)}</code> },
              { name: 'By', cell: ({ author }) => author },
            ]}
            rows={some}
            rowKey={({ id }) => id}
          />
        )}
      </Listed>
    </>
  )
}
