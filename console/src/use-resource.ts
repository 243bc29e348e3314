import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from './api.ts'

/** Something that was asked for. What was there stays until there is newer, an error beside it. */
export interface Resource<Data> {
  readonly data: Data | undefined
  readonly error: ApiError | undefined
  readonly loading: boolean
  /** Asks again. */
  readonly reload: () => void
}

/**
 * Asks when a page opens, whenever `key` changes (then from nothing), and every `everyMs` while the page is seen. An
 * answer to an older question is dropped.
 */
export function useResource<Data>(
  load: (signal: AbortSignal) => Promise<Data>,
  { key = '', everyMs }: { key?: string; everyMs?: number } = {},
): Resource<Data> {
  const [state, setState] = useState<{ key: string; data?: Data; error?: ApiError | undefined }>({ key })
  const [round, setRound] = useState(0)
  const [loading, setLoading] = useState(true)
  const isAsking = useRef(false)
  const latest = useRef(load)
  latest.current = load
  const reload = (): void => setRound((before) => before + 1)

  useEffect(() => {
    const gone = new AbortController()
    const { signal } = gone
    setLoading(true)
    isAsking.current = true
    latest
      .current(signal)
      .then(
        (data) => !signal.aborted && setState({ key, data }),
        (error: unknown) =>
          !signal.aborted &&
          setState((before) => ({ ...(before.key === key && before), key, error: asApiError(error) })),
      )
      .finally(() => {
        if (signal.aborted) return
        isAsking.current = false
        setLoading(false)
      })
    return () => gone.abort()
  }, [key, round])

  useEffect(() => {
    if (everyMs === undefined) return undefined
    // One that takes longer than that is waited for: asked again and again, it would never be answered.
    const isDue = () => document.visibilityState === 'visible' && !isAsking.current
    const pace = setInterval(() => isDue() && reload(), everyMs)
    return () => clearInterval(pace)
  }, [everyMs])

  const isOfThis = state.key === key
  return {
    data: isOfThis ? state.data : undefined,
    error: isOfThis ? state.error : undefined,
    loading,
    reload,
  }
}

/** Anything thrown, as it can be shown. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError({ status: 0, code: 'unexpected', title: error instanceof Error ? error.message : String(error) })
}
