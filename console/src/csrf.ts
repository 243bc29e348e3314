/** The token that proves that this page, and not another in the same browser, asks for a change. */
let token: string | null = null
let whenOver = (): void => {}

/** Null: none is needed, or nobody is signed in. */
export function csrf(): string | null {
  return token
}

export function useCsrf(given: string | null): void {
  token = given
}

/** What to do once the gateway says that nobody is signed in any more. */
export function atSignOut(then: () => void): void {
  whenOver = then
}

export function signedOut(): void {
  token = null
  whenOver()
}
