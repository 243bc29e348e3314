import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { Deleted, Versioned, WriteOptions, Written } from '../directory/edit.ts'
import { Refusal } from '../errors.ts'
import { etagOf, isKnown, preconditionFailed, preconditionOf, readsIf, tagged, writesIf } from './conditional.ts'
import { pageOf, readPage, type paging } from './fields.ts'
import { fromStore } from './from-store.ts'
import { route, type Route } from './route.ts'

/** A list: where it is, what it may be asked for, and where its next page begins. */
interface ListOf<Query extends z.ZodObject<typeof paging>, Row, Json, Position extends z.ZodType> {
  readonly path: string
  readonly summary: string
  /** What is on its pages, such as `links`. */
  readonly items: string
  readonly query: Query
  readonly out: z.ZodType<Json>
  readonly json: (row: Row) => Json
  /** What a cursor remembers of the last row, and how it is read again. */
  readonly position: (row: Row) => Readonly<z.input<Position>>
  readonly after: Position
  /** At most `limit` rows, in the order of their positions, behind `after`. */
  readonly rows: (
    filter: z.output<Query>,
    page: { limit: number; after: z.output<Position> | undefined },
  ) => Promise<readonly Row[]>
}

/** The route of a list, page by page. */
export function listRoute<Query extends z.ZodObject<typeof paging>, Row, Json, Position extends z.ZodType>(
  list: ListOf<Query, Row, Json, Position>,
): Route {
  const { path, summary, items, query, out, json, position, after, rows } = list
  return route({
    method: 'get',
    path,
    summary,
    writes: false,
    query,
    responses: { 200: { description: `A page of ${items}`, body: pageOf<z.ZodType>(out) } },
    async handle({ query: asked }) {
      const page = await readPage(asked, after, position, (next) => fromStore(rows(asked, next)))
      return { status: 200, body: { items: page.rows.map(json), next_cursor: page.next_cursor } }
    },
  })
}

/** A kind of row, each at a path of its own below that of their list. */
interface Rows<Key extends z.ZodObject, Body extends z.ZodType, Row extends object, Json extends object, Told> {
  /** Of one row, with its key in braces. */
  readonly path: string
  readonly key: Key
  readonly summaries: { readonly get: string; readonly put: string; readonly delete: string }
  readonly in: Body
  readonly out: z.ZodType<Json>
  readonly json: (row: Row) => Json
  /** Throws a `Refusal` for a body that cannot be this row, whatever is stored. */
  readonly check: (key: z.output<Key>, body: z.output<Body>) => void
  /** Whether a row can contradict others: 409. */
  readonly conflicts: boolean
  readonly get: (key: z.output<Key>) => Promise<Versioned<Row> | undefined>
  readonly put: (key: z.output<Key>, body: z.output<Body>, options: WriteOptions) => Promise<Written<Row>>
  readonly delete: (key: z.output<Key>, options: WriteOptions) => Promise<Deleted<Row>>
  /** What a put answers besides the row, once that is written. */
  readonly told?: {
    readonly out: z.ZodType<Json & Told>
    readonly of: (row: Row, before: Row | undefined) => Promise<Told>
  }
}

/** The routes of one row: reading, putting and deleting it, each heeding its entity tag. */
export function rowRoutes<
  Key extends z.ZodObject,
  Body extends z.ZodType,
  Row extends object,
  Json extends object,
  Told extends object,
>(rows: Rows<Key, Body, Row, Json, Told>): Route[] {
  const { path, key: params, summaries, out, json, told } = rows
  const optionsOf = ({ author, headers }: { author: string; headers: IncomingHttpHeaders }): WriteOptions => ({
    author,
    precondition: preconditionOf(headers),
  })
  return [
    route({
      method: 'get',
      path,
      summary: summaries.get,
      writes: false,
      params,
      heeds: readsIf,
      responses: {
        200: { description: 'The row', body: bodyOf(out), headers: tagged },
        304: { description: 'The row is as the caller knows it', headers: tagged },
      },
      problems: ['not_found'],
      async handle({ params: key, headers }) {
        const row = await fromStore(rows.get(key))
        if (row === undefined) throw noSuchRow()
        if (isKnown(row, headers)) return { status: 304, headers: etagOf(row) }
        return { status: 200, headers: etagOf(row), body: json(row) }
      },
    }),
    route({
      method: 'put',
      path,
      summary: summaries.put,
      writes: true,
      params,
      body: rows.in,
      heeds: writesIf,
      responses: {
        200: { description: 'The row as it is now', body: bodyOf(told?.out ?? out), headers: tagged },
        201: { description: 'The row, which was not there before', body: bodyOf(told?.out ?? out), headers: tagged },
      },
      problems: ['precondition_failed', ...(rows.conflicts ? (['conflict'] as const) : [])],
      async handle({ params: key, body, ...asked }) {
        rows.check(key, body)
        const { row, before } = rowIn(await fromStore(rows.put(key, body, optionsOf(asked))))
        const status = before === undefined ? 201 : 200
        return { status, headers: etagOf(row), body: { ...json(row), ...(await told?.of(row, before)) } }
      },
    }),
    route({
      method: 'delete',
      path,
      summary: summaries.delete,
      writes: true,
      params,
      heeds: writesIf,
      responses: { 204: { description: 'It is not there any more' } },
      problems: ['not_found', 'precondition_failed'],
      async handle({ params: key, ...asked }) {
        const deleted = await fromStore(rows.delete(key, optionsOf(asked)))
        if (deleted.kind === 'absent') throw noSuchRow()
        if (deleted.kind === 'precondition_failed') throw preconditionFailed(deleted.current)
        return { status: 204 }
      },
    }),
  ]
}

/** That a row's JSON fits is checked where the row is declared. */
const bodyOf = (out: z.ZodType): z.ZodType => out

function rowIn<Row>(written: Written<Row>): Extract<Written<Row>, { kind: 'written' }> {
  switch (written.kind) {
    case 'written':
      return written
    case 'precondition_failed':
      throw preconditionFailed(written.current)
    case 'conflict': {
      const { path, reason: message } = written
      throw new Refusal('conflict', 'The row contradicts what is there: see errors.', { errors: [{ path, message }] })
    }
  }
}

function noSuchRow(): Refusal {
  return new Refusal('not_found', 'There is no such row.')
}
