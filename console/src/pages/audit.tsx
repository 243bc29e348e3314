import { Further } from '../parts/further.tsx'
import { PageHead } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import type { AuditEntry } from '../shapes.ts'
import { useList } from '../use-list.ts'

/** Who changed what. */
export default function Audit() {
  const list = useList<AuditEntry>('/api/audit', {})
  const { items, error, reload } = list
  return (
    <>
      <PageHead title="Audit">Who changed what, the newest first.</PageHead>
      {items === undefined && error === undefined && <Loading what="the audit" />}
      {items === undefined && error !== undefined && <Failure error={error} retry={reload} />}
      {items?.length === 0 && <Empty>Nothing was changed yet.</Empty>}
      {items !== undefined && items.length > 0 && (
        <Table
          label="Changes"
          columns={[
            { name: 'When', cell: ({ at }) => <Time at={at} /> },
            { name: 'Action', cell: ({ action }) => <code>{action}</code> },
            { name: 'Of', cell: ({ subject }) => subject },
            { name: 'Details', cell: ({ details }) => <code class="details">{JSON.stringify(details)}</code> },
            { name: 'By', cell: ({ author }) => author },
          ]}
          rows={items}
          rowKey={({ id }) => id}
        />
      )}
      {items !== undefined && <Further list={list} of={['change', 'changes']} />}
    </>
  )
}
