import { PageHead } from './section.tsx'
import { Empty } from './states.tsx'

/** Where an address leads nowhere. */
export function NoPage() {
  return (
    <>
      <PageHead title="No page" />
      <Empty>There is no such page.</Empty>
    </>
  )
}
