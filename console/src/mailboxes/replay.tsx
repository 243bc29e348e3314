import { get, post, type Page, type Query } from '../api.ts'
import { count, counted } from '../format.ts'
import { confirm } from '../parts/confirm.tsx'
import { notify, notifyFailure } from '../parts/notices.tsx'
import type { DeadLetter } from '../shapes.ts'
import { asApiError } from '../use-resource.ts'

type Filter = Readonly<Record<string, string>>

/** The longest page that there is, and how many of them are counted before it is called many. */
const PAGE = 1000
const PAGES = 10

/** Puts one back into its mailbox, if that is meant. Never rejects. */
export async function replayOne({ id, delivery, reason, region }: DeadLetter): Promise<void> {
  const isMeant = await confirm({
    title: 'Replay this delivery?',
    text: (
      <p>
        <code>{delivery}</code> was given up{region === null ? '' : ` for ${region}`} ({reason}). It waits again, behind
        what is in its mailbox, and is sent with the same delivery id.
      </p>
    ),
    act: 'Replay it',
  })
  if (isMeant) await replayed(() => post(`/api/dead-letters/${id}/replay`))
}

/** Says how many fit a filter and puts them back, if that is meant. Never rejects. */
export async function replayAll(filter: Filter): Promise<void> {
  const counting = await countOf(filter).catch((error: unknown) => asApiError(error))
  if (counting instanceof Error) return notifyFailure('Nothing was replayed', counting)
  const { many, isMore } = counting
  const how = `${isMore ? 'more than ' : ''}${counted(many, 'delivery', 'deliveries')}`
  const named = Object.entries(filter).map(([name, value]) => `${name.replace('_id', '')} ${value}`)
  const isMeant = await confirm({
    title: `Replay ${how}?`,
    text: (
      <p>
        {named.length === 0 ? 'Everything that was given up' : `What was given up with ${named.join(' and ')}`} waits
        again, behind what is in its mailboxes, in the order in which it came. What a region refused before, it may
        refuse again.
      </p>
    ),
    act: isMore ? 'Replay them all' : `Replay ${count(many)}`,
    isDangerous: true,
  })
  if (isMeant) await replayed(() => post('/api/dead-letters/replay', named.length === 0 ? { all: true } : filter))
}

async function countOf(filter: Query): Promise<{ many: number; isMore: boolean }> {
  let many = 0
  let cursor: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const { items, next_cursor } = await get<Page<DeadLetter>>('/api/dead-letters', { ...filter, limit: PAGE, cursor })
    many += items.length
    if (next_cursor === null) return { many, isMore: false }
    cursor = next_cursor
  }
  return { many, isMore: true }
}

async function replayed(act: () => Promise<{ readonly replayed: number }>): Promise<void> {
  try {
    const { replayed: many } = await act()
    if (many === 0) notify('Nothing was replayed: the same waits already', 'quiet')
    else notify(`${counted(many, 'delivery waits', 'deliveries wait')} again`)
  } catch (error) {
    notifyFailure('Nothing was replayed', asApiError(error))
  }
}
