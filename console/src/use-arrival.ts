import { useEffect, useRef } from 'preact/hooks'

/**
 * For a page that is several: names what is seen, and when that changes, whoever followed a link goes on from its top,
 * with the keyboard too.
 */
export function useArrival(title: string, at: string): void {
  const before = useRef(at)
  useEffect(() => {
    document.title = `${title} · silo-gateway`
    if (before.current === at) return
    before.current = at
    document.getElementById('page')?.focus()
    scrollTo(0, 0)
  }, [title, at])
}
