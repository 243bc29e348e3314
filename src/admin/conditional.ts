import type { IncomingHttpHeaders } from 'node:http'
import type { Precondition } from '../directory/edit.ts'
import { Refusal } from '../errors.ts'
import { invalidRequest } from './route.ts'

/** What a route that answers with a row's entity tag says of it. */
export const tagged = { ETag: 'Counts up with each change of the row' } as const

/** The request headers that a read, and that a write heeds (RFC 9110, section 13.1). */
export const readsIf = { 'If-None-Match': 'Entity tags that are known: with the current one, 304' } as const
export const writesIf = {
  'If-Match': 'The entity tag that the row must still have, or * where it must be there; else 412',
  'If-None-Match': '* where the row must not be there; else 412',
} as const

export function etagOf({ version }: { readonly version: number }): { ETag: string } {
  return { ETag: `"${version}"` }
}

/** What a write asks for. Throws `invalid_request` for what cannot be held to. */
export function preconditionOf(headers: IncomingHttpHeaders): Precondition {
  const match = headers['if-match']?.trim()
  const noneMatch = headers['if-none-match']?.trim()
  if (match !== undefined && noneMatch !== undefined) {
    throw invalidRequest([{ path: 'If-Match', message: 'cannot be given together with If-None-Match' }])
  }
  if (noneMatch !== undefined) {
    if (noneMatch === '*') return { kind: 'absent' }
    throw invalidRequest([{ path: 'If-None-Match', message: 'must be * in a write' }])
  }
  if (match === undefined) return { kind: 'none' }
  if (match === '*') return { kind: 'exists' }
  if (!oneTag.test(match)) {
    throw invalidRequest([{ path: 'If-Match', message: 'must be *, or one entity tag in its quotes' }])
  }
  // A tag that is weak, or was never given out, is no row's: it matches none.
  return { kind: 'version', is: Number(/^"(0|[1-9]\d{0,14})"$/.exec(match)?.[1] ?? NONE) }
}

/** Whether a read's If-None-Match knows the row as it is. Throws `invalid_request` where it is none. */
export function isKnown(row: { readonly version: number }, headers: IncomingHttpHeaders): boolean {
  const given = headers['if-none-match']?.trim()
  if (given === undefined) return false
  if (given === '*') return true
  if (!tags.test(given)) {
    throw invalidRequest([{ path: 'If-None-Match', message: 'must be *, or entity tags in their quotes' }])
  }
  return [...given.matchAll(/"[^"]*"/g)].some(([tag]) => tag === etagOf(row).ETag)
}

/** The 412 of a row that is not as it was asked to be. */
export function preconditionFailed(current: { readonly version: number } | undefined): Refusal {
  return current === undefined
    ? new Refusal('precondition_failed', 'There is no such row.')
    : new Refusal('precondition_failed', 'The row is another by now: read it again.', { headers: etagOf(current) })
}

const NONE = -1
// RFC 9110, section 8.8.3, but no bytes beyond ASCII.
const oneTag = /^(?:W\/)?"[\x21\x23-\x7e]*"$/
const tags = /^(?:W\/)?"[\x21\x23-\x7e]*"(?:[ \t]*,[ \t]*(?:W\/)?"[\x21\x23-\x7e]*")*$/
