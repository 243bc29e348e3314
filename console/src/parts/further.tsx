import type { ComponentChildren } from 'preact'
import { counted } from '../format.ts'
import type { List } from '../use-list.ts'
import './lists.css'
import { Failure } from './states.tsx'

/** Below a list: how much of it is seen, and the way to more. */
export function Further<Item>({
  list,
  of,
  children,
}: {
  list: List<Item>
  of: readonly [string, string]
  children?: ComponentChildren
}) {
  const { items, error, isMore, isAsking, further, reload } = list
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
        {children}
        <span role="status">
          {counted(items?.length ?? 0, of[0], of[1])}
          {isMore ? ' so far.' : ', and no more.'}
        </span>
      </div>
      {error !== undefined && items !== undefined && <Failure error={error} retry={isMore ? further : reload} />}
    </>
  )
}
