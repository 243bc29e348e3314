import { useEffect } from 'preact/hooks'

let last: EventTarget | null = null
addEventListener('focusin', ({ target }) => {
  last = target
})

/** Where what had the focus has gone with a change, such as a row with its button: the page has it then, not nobody. */
export function useFocusKept(changed: unknown): void {
  useEffect(() => {
    const isGone = last instanceof Node && !last.isConnected
    if (isGone && document.activeElement === document.body) document.getElementById('page')?.focus()
  }, [changed])
}
