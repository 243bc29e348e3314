import { z } from 'zod'
import type { Id } from '../directory/directory.ts'
import { readId } from '../directory/id.ts'
import { idRule, must } from '../directory/row-fields.ts'
import { invalidRequest } from './route.ts'

function toId(value: number | string, context: z.RefinementCtx): Id {
  const id = readId(String(value))
  if (id !== undefined) return id
  context.addIssue('must be an integer from 1 to 2^63-1')
  return z.NEVER
}

const digits = z.string(idRule).regex(/^0*[1-9][0-9]{0,18}$/, idRule)

/** An id in a path or a query. */
export const idText = digits.transform(toId)

/** An id in a body. */
export const id = z.union([z.int(idRule).positive(idRule), digits], idRule).transform(toId)

/** An id on its way out. */
export const idOut = z.string().describe('64 bits, in digits.')

/** Of a row that the spool or the audit has numbered, in a path or a query. */
export const rowId = z
  .string()
  .regex(/^[1-9][0-9]{0,14}$/, 'must be a whole number from 1')
  .transform(Number)

/** The same in a body. */
export const rowIdIn = z
  .union([z.int().positive(), z.string().regex(/^[1-9][0-9]{0,14}$/)], must('must be a whole number from 1'))
  .transform(Number)

export const isoTime = z.iso.datetime()

/** `true` or `false` in a query. */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

const LONGEST_PAGE = 1000

/** The query parameters of every list. */
export const paging = {
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/, `must be a whole number from 1 to ${LONGEST_PAGE}`)
    .transform(Number)
    .refine((limit) => limit <= LONGEST_PAGE, `must be a whole number from 1 to ${LONGEST_PAGE}`)
    .prefault('100')
    .describe(`How many at most: 1 to ${LONGEST_PAGE}, 100 if it is not said.`),
  cursor: z.string().optional().describe('The `next_cursor` of the page before.'),
}

/** The schema of a page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    next_cursor: z.string().nullable().describe('To be given as `cursor`; null where there are no more.'),
  })
}

/**
 * One page of a list: `ask` is given one more than `limit`, so that it is known whether there are more. `position` is
 * what a cursor remembers of the last item, `after` its schema. Throws `invalid_request` for a cursor that is none of
 * this list's.
 */
export async function readPage<Row, Position extends z.ZodType>(
  { limit, cursor }: { limit: number; cursor?: string | undefined },
  after: Position,
  position: (row: Row) => Readonly<z.input<Position>>,
  ask: (page: { limit: number; after: z.output<Position> | undefined }) => Promise<readonly Row[]>,
): Promise<{ rows: readonly Row[]; next_cursor: string | null }> {
  const found = await ask({ limit: limit + 1, after: cursor === undefined ? undefined : positionIn(cursor, after) })
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  const isMore = found.length > limit && last !== undefined
  return { rows, next_cursor: isMore ? cursorTo(position(last)) : null }
}

/** The cursor of a list that goes on from a position. */
export function cursorTo(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** Throws `invalid_request` for a cursor that is none of the list's. */
export function positionIn<Position extends z.ZodType>(cursor: string, schema: Position): z.output<Position> {
  const read = schema.safeParse(jsonIn(cursor))
  if (read.success) return read.data
  throw invalidRequest([{ path: 'cursor', message: 'must be the next_cursor of the page before' }])
}

function jsonIn(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}
