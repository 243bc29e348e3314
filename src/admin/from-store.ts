import { Refusal } from '../errors.ts'

/** What the database answers; a `store_unavailable` where it cannot be asked, with the reason for the log only. */
export async function fromStore<Result>(asking: Promise<Result>): Promise<Result> {
  try {
    return await asking
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal('store_unavailable', 'The database cannot be asked right now; try again.', {
      headers: { 'Retry-After': '1' },
      cause,
    })
  }
}
