import { queryText } from '../api.ts'
import { bytes, count, counted } from '../format.ts'
import { pause, resume } from '../mailboxes/steer.tsx'
import { Whose } from '../mailboxes/whose.tsx'
import type { PageProps } from '../pages.ts'
import { Choice, Field, given, NumberField } from '../parts/field.tsx'
import { Filters } from '../parts/filters.tsx'
import { Listed } from '../parts/listed.tsx'
import { Mark } from '../parts/mark.tsx'
import { PageHead } from '../parts/section.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { Since, Time } from '../parts/time.tsx'
import { RegionChoice } from '../regions/region-choice.tsx'
import { href } from '../router.ts'
import type { MailboxNow } from '../shapes.ts'
import { useList } from '../use-list.ts'

const names = ['kind', 'region', 'integration_id', 'paused'] as const

const kinds = [
  ['region', 'of a region'],
  ['held', 'held for an organization'],
  ['unresolved', 'not known whose'],
] as const

/** What waits, where, why, and since when. */
export default function Mailboxes({ place }: PageProps) {
  const filter = given(place.query, names)
  const list = useList<MailboxNow>('/api/mailboxes', filter, { everyMs: 1000 })
  const { items, reload } = list

  const columns: readonly Column<MailboxNow>[] = [
    { name: 'No.', cell: ({ id }) => id },
    { name: 'Whose', cell: (mailbox) => <Whose of={mailbox} /> },
    { name: 'Waiting', numeric: true, cell: ({ depth }) => count(depth) },
    { name: 'Oldest', numeric: true, cell: ({ oldest_at: at }) => (at === null ? '—' : <Since at={at} />) },
    { name: 'State', cell: (mailbox) => <State of={mailbox} /> },
    { name: 'Size', numeric: true, cell: ({ bytes: size }) => bytes(size) },
    { name: 'Tries', numeric: true, cell: ({ head_attempts: tries }) => count(tries) },
    { name: 'Dead letters', numeric: true, cell: (mailbox) => <DeadLetters of={mailbox} /> },
    {
      name: 'Steer',
      cell: (mailbox) => (
        <button
          type="button"
          aria-label={`${mailbox.paused === null ? 'Pause' : 'Resume'} mailbox ${mailbox.id}`}
          onClick={() => void (mailbox.paused === null ? pause(mailbox) : resume(mailbox)).then(reload)}
        >
          {mailbox.paused === null ? 'Pause …' : 'Resume …'}
        </button>
      ),
    },
  ]

  return (
    <>
      <PageHead title="Mailboxes">{items === undefined ? 'What waits for regions.' : summaryOf(items)}</PageHead>
      <Filters page="mailboxes" names={names} filter={filter} all="All mailboxes">
        <Field name="Kind">
          <Choice name="kind" given={filter.kind} among={kinds} />
        </Field>
        <RegionChoice given={filter.region} />
        <NumberField label="Integration id" name="integration_id" given={filter.integration_id} />
        <label class="check">
          <input name="paused" type="checkbox" value="true" defaultChecked={filter.paused === 'true'} />
          <span>Paused only</span>
        </label>
      </Filters>
      <Listed list={list} of={['mailbox', 'mailboxes']} empty="Nothing has ever waited that fits.">
        {(some) => <Table label="Mailboxes" columns={columns} rows={some} rowKey={({ id }) => id} />}
      </Listed>
    </>
  )
}

function summaryOf(items: readonly MailboxNow[]): string {
  const waiting = items.reduce((sum, { depth }) => sum + depth, 0)
  const paused = items.filter((one) => one.paused !== null).length
  if (waiting === 0) return `Nothing waits${paused > 0 ? `; ${counted(paused, 'mailbox', 'mailboxes')} paused` : ''}.`
  const filledBoxes = items.filter(({ depth }) => depth > 0).length
  const where = `in ${counted(filledBoxes, 'mailbox', 'mailboxes')}`
  return `${counted(waiting, 'delivery waits', 'deliveries wait')} ${where}; ${paused === 0 ? 'none' : count(paused)} paused.`
}

function State({ of: { paused, depth, retry_at: retry } }: { of: MailboxNow }) {
  if (paused !== null) return <Mark tone="bad">paused: {paused}</Mark>
  if (depth === 0) return <Mark tone="quiet">empty</Mark>
  return (
    <Mark tone="wait">
      {retry === null ? (
        'to be tried'
      ) : (
        <>
          next try <Time at={retry} />
        </>
      )}
    </Mark>
  )
}

function DeadLetters({ of: { id, dead_letters: dead } }: { of: MailboxNow }) {
  if (dead === 0) return <>0</>
  return (
    <a href={href('dead-letters') + queryText({ mailbox_id: id })} aria-label={`${dead} dead letters of mailbox ${id}`}>
      {count(dead)}
    </a>
  )
}
