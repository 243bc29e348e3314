import { count, duration } from '../format.ts'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import type { Now } from '../shapes.ts'
import { minutesOf } from './seconds.ts'

/** Both plots in numbers, for those who read them better, or only. */
export function Minutes({ history }: { history: readonly Now[] }) {
  return (
    <details class="minutes">
      <summary>Both plots as a table</summary>
      <Table
        label="Webhooks and answer times by the minute"
        rows={minutesOf(history)}
        rowKey={({ at }) => at}
        columns={[
          { name: 'Minute', cell: ({ at }) => <Time at={at} /> },
          { name: 'Webhooks', numeric: true, cell: ({ summary }) => count(summary.webhooks) },
          { name: 'Failed', numeric: true, cell: ({ summary }) => count(summary.failed) },
          { name: 'Half within', numeric: true, cell: ({ summary }) => ms(summary.typicalP50) },
          { name: '99 % within', numeric: true, cell: ({ summary }) => ms(summary.worstP99) },
        ]}
      />
    </details>
  )
}

const ms = (value: number | undefined): string => (value === undefined ? '–' : duration(value))
