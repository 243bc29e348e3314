import type { ComponentChildren } from 'preact'
import { counted } from '../format.ts'
import type { List } from '../use-list.ts'
import './lists.css'
import { Empty, Failure, Loading } from './states.tsx'

interface Looked<Item> {
  readonly list: List<Item>
  /** What one of them is called, and several. */
  readonly of: readonly [one: string, many: string]
}

/** A list, from before its first page is there to its end; how its items are seen is up to `children`. */
export function Listed<Item>({
  list,
  of,
  empty,
  children,
}: Looked<Item> & {
  /** Why there may be none. */
  readonly empty: ComponentChildren
  readonly children: (items: readonly Item[]) => ComponentChildren
}) {
  const { items, error, reload } = list
  if (items === undefined) {
    return error === undefined ? <Loading what={of[1]} /> : <Failure error={error} retry={reload} />
  }
  return (
    <>
      {items.length === 0 ? <Empty>{empty}</Empty> : children(items)}
      <Further list={list} of={of} />
    </>
  )
}

/** How much of it is seen, and the way to more. */
function Further<Item>({ list: { items, error, isMore, isAsking, further, reload }, of: [one, many] }: Looked<Item>) {
  return (
    <>
      <div class="further">
        {isMore && (
          <button type="button" disabled={isAsking} onClick={further}>
            {isAsking ? 'Looking …' : 'Look further'}
          </button>
        )}
        <button type="button" onClick={reload}>
          Refresh
        </button>
        <span role="status">
          {counted(items?.length ?? 0, one, many)}
          {isMore ? ' so far.' : ', and no more.'}
        </span>
      </div>
      {error !== undefined && <Failure error={error} retry={isMore ? further : reload} />}
    </>
  )
}
