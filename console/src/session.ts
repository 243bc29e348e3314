import { signal } from '@preact/signals'
import { ApiError, get, post, remove } from './api.ts'
import { atSignOut, useCsrf } from './csrf.ts'
import type { Session } from './shapes.ts'

/** Undefined until it was asked for. */
export const session = signal<Session | undefined>(undefined)

export const sessionError = signal<ApiError | undefined>(undefined)

/** Asks who is signed in. Never rejects. */
export async function askSession(): Promise<void> {
  sessionError.value = undefined
  try {
    took(await get<Session>('/api/session'))
  } catch (error) {
    sessionError.value = error instanceof ApiError ? error : undefined
  }
}

/** Throws an `ApiError`, `unauthorized` for a wrong token. */
export async function signIn(token: string): Promise<void> {
  took(await post<Session>('/api/session', { token }))
}

/** Throws an `ApiError`: then the session goes on. */
export async function signOut(): Promise<void> {
  await remove('/api/session')
  await askSession()
}

function took(answer: Session): void {
  useCsrf(answer.csrf)
  session.value = answer
}

// The token was changed, or the session is over.
atSignOut(() => void askSession())
