import { z } from 'zod'

/*
 * What the columns of the directory's rows may hold, wherever they come from: what the import refuses, the admin API
 * refuses in the same words.
 */

/** `is required` where nothing stands, else the rule. */
export const must = (rule: string) => ({
  error: (issue: { input?: unknown }) => (issue.input === undefined ? undefined : rule),
})

/** What an id that comes from outside must be. */
export const idRule = must('must be an integer from 1 to 2^53-1, or its digits as text up to 2^63-1')

/** PostgreSQL stores neither NUL nor half a surrogate pair: to look for one is an error of the server's. */
export const storable = z.string().regex(/^[^\0\p{Cs}]*$/u, 'must be text without NUL and half surrogate pairs')

/** Nothing that is looked up by has blanks. */
export const word = z.string().regex(/^[^\s\p{Cc}\p{Cs}]{1,255}$/u, must('must be 1 to 255 characters without blanks'))

export const label = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{0,1000}$/u, must('must be at most 1000 characters, none of them a control'))

export const status = z.enum(['active', 'disabled'])
