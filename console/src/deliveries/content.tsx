import { bytes } from '../format.ts'
import { Table } from '../parts/table.tsx'
import type { Delivery } from '../shapes.ts'

/** What was received, as far as it was recorded. */
export function Content({
  content: { headers, body, bytes: size, cut },
}: {
  content: NonNullable<Delivery['content']>
}) {
  return (
    <div class="content">
      <h3>Body, {bytes(size)}</h3>
      {body === null ? (
        <p class="hint">It cannot be shown: it is not JSON and no form, or too large to find its secrets.</p>
      ) : (
        <pre tabIndex={0} aria-label="Body">
          {cut ? `${body}…` : indented(body)}
        </pre>
      )}
      <h3>Headers</h3>
      <Table
        label="Headers as received"
        columns={[
          { name: 'Name', cell: ([name]) => <code>{name}</code> },
          { name: 'Value', cell: ([, value]) => <code class="value">{value}</code> },
        ]}
        rows={Object.entries(headers)}
        rowKey={([name]) => name}
      />
    </div>
  )
}

function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2)
  } catch {
    return json
  }
}
