import { useState } from 'preact/hooks'
import { get, type ApiError, type Page, type Query } from './api.ts'
import { asApiError, useResource } from './use-resource.ts'

/** A list that is looked through page by page, as far as somebody wants to. */
export interface List<Item> {
  /** Undefined until the first page is there. */
  readonly items: readonly Item[] | undefined
  readonly error: ApiError | undefined
  readonly isMore: boolean
  readonly isAsking: boolean
  /** Adds the next page. */
  readonly further: () => void
  /** Begins again with the first page. */
  readonly reload: () => void
}

interface Looked<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

/** A list of the admin API by its filter. `everyMs`: the first page is asked for again, unless there are more by then. */
export function useList<Item>(path: string, filter: Query, { everyMs }: { everyMs?: number } = {}): List<Item> {
  const key = JSON.stringify(filter)
  const [more, setMore] = useState<Looked<Item> & { key: string }>()
  const [asking, setAsking] = useState<{ isAsking: boolean; error?: ApiError }>({ isAsking: false })
  const behind = more?.key === key ? more : undefined

  async function page(cursor?: string, signal?: AbortSignal): Promise<Looked<Item>> {
    const { items, next_cursor } = await get<Page<Item>>(
      path,
      { ...filter, cursor },
      signal === undefined ? {} : { signal },
    )
    return { items, next: next_cursor }
  }

  const first = useResource((signal) => page(undefined, signal), {
    key,
    ...(everyMs !== undefined && behind === undefined && { everyMs }),
  })
  const looked = behind ?? first.data

  async function further(): Promise<void> {
    if (looked === undefined || looked.next === null) return
    setAsking({ isAsking: true })
    try {
      const found = await page(looked.next)
      setMore({ key, items: [...looked.items, ...found.items], next: found.next })
      setAsking({ isAsking: false })
    } catch (error) {
      setAsking({ isAsking: false, error: asApiError(error) })
    }
  }

  return {
    items: looked?.items,
    error: asking.error ?? first.error,
    isMore: looked !== undefined && looked.next !== null,
    isAsking: asking.isAsking || (first.loading && looked === undefined),
    further: () => void further(),
    reload() {
      setMore(undefined)
      setAsking({ isAsking: false })
      first.reload()
    },
  }
}
