import { useState } from 'preact/hooks'
import { count, counted } from '../format.ts'
import { replayAll, replayOne } from '../mailboxes/replay.tsx'
import { Whose } from '../mailboxes/whose.tsx'
import type { PageProps } from '../pages.ts'
import { Field, given, NumberField } from '../parts/field.tsx'
import { Filters } from '../parts/filters.tsx'
import { Listed } from '../parts/listed.tsx'
import { PageHead } from '../parts/section.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { RegionChoice } from '../regions/region-choice.tsx'
import { href } from '../router.ts'
import type { DeadLetter } from '../shapes.ts'
import { useFocusKept } from '../use-focus-kept.ts'
import { useList } from '../use-list.ts'

const names = ['mailbox_id', 'integration_id', 'region', 'reason'] as const

/** What was given up, why, and the way back. */
export default function DeadLetters({ place }: PageProps) {
  const filter = given(place.query, names)
  const list = useList<DeadLetter>('/api/dead-letters', filter)
  const [isBusy, setBusy] = useState(false)
  const { items, isMore, reload } = list
  useFocusKept(items)

  async function during(work: Promise<void>): Promise<void> {
    setBusy(true)
    await work
    setBusy(false)
    reload()
  }

  const columns: readonly Column<DeadLetter>[] = [
    { name: 'Given up', cell: ({ died_at: at }) => <Time at={at} /> },
    {
      name: 'Delivery',
      cell: ({ delivery }) => (
        <a href={href('deliveries', delivery)}>
          <code>{delivery}</code>
        </a>
      ),
    },
    { name: 'Whose', cell: (letter) => <Whose of={letter} /> },
    { name: 'Reason', cell: ({ reason }) => <code>{reason}</code> },
    { name: 'Tries', numeric: true, cell: ({ attempts }) => count(attempts) },
    { name: 'Received', cell: ({ received_at: at }) => <Time at={at} /> },
    {
      name: 'Steer',
      cell: (letter) => (
        <button
          type="button"
          disabled={isBusy}
          aria-label={`Replay ${letter.delivery}`}
          onClick={() => void during(replayOne(letter))}
        >
          Replay …
        </button>
      ),
    },
  ]

  return (
    <>
      <PageHead
        title="Dead letters"
        actions={
          <button
            type="button"
            disabled={isBusy || items === undefined || items.length === 0}
            onClick={() => void during(replayAll(filter))}
          >
            {Object.keys(filter).length === 0 ? 'Replay all …' : 'Replay all that fit …'}
          </button>
        }
      >
        {items === undefined
          ? 'What was given up.'
          : items.length === 0
            ? 'Nothing that was given up fits.'
            : `${counted(items.length, 'delivery was', 'deliveries were')} given up${isMore ? ', and more' : ''}; each can be sent again.`}
      </PageHead>
      <Filters page="dead-letters" names={names} filter={filter} all="All dead letters">
        <RegionChoice given={filter.region} />
        <Field name="Reason">
          <input name="reason" defaultValue={filter.reason ?? ''} placeholder="http_410" />
        </Field>
        <NumberField label="Integration id" name="integration_id" given={filter.integration_id} />
        <NumberField label="Mailbox" name="mailbox_id" given={filter.mailbox_id} />
      </Filters>
      <Listed list={list} of={['dead letter', 'dead letters']} empty="No dead letters fit.">
        {(some) => <Table label="Dead letters" columns={columns} rows={some} rowKey={({ id }) => id} />}
      </Listed>
    </>
  )
}
