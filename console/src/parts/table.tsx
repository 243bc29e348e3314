import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  readonly name: string
  readonly cell: (row: Row) => ComponentChildren
  /** Aligned at its end, so that digits stand below digits. */
  readonly numeric?: boolean
  /** Takes what room there is, and is cut rather than wrapped. */
  readonly wide?: boolean
}

/** A table that a narrow window scrolls, not the page. Its first column is the rows' heading. */
export function Table<Row>({
  label,
  columns,
  rows,
  rowKey,
  tone,
}: {
  /** What is listed, for those who hear it. */
  label: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  rowKey: (row: Row) => string
  /** A class of the row's. */
  tone?: (row: Row) => string | undefined
}) {
  const classOf = ({ numeric, wide }: Column<Row>) => `${numeric ? 'numeric' : ''} ${wide ? 'wide' : ''}`.trim()
  return (
    <div class="scrolls" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" class={classOf(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} class={tone?.(row)}>
              {columns.map((column, index) =>
                index === 0 ? (
                  <th key={column.name} scope="row" class={classOf(column)}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.name} class={classOf(column)}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
