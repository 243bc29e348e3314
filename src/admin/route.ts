import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { z } from 'zod'
import { Refusal, type ErrorCode, type Fault } from '../errors.ts'
import { faultsOf } from '../regions/located-yaml.ts'
import type { Caller } from './guard.ts'

/**
 * What a route answers with one status; without `body` it has none. `events`: it is a stream of server-sent events, of
 * these names, with JSON data. `headers`: name to description.
 */
export interface Response {
  readonly description: string
  readonly body?: z.ZodType
  readonly events?: Readonly<Record<string, z.ZodType>>
  readonly headers?: Readonly<Record<string, string>>
}

export type Responses = Readonly<Record<number, Response>>

/** An answer that was declared: its status, what its schema says, and headers of its own. */
export type AnswerOf<Declared extends Responses> = {
  [Status in keyof Declared & number]: {
    readonly status: Status
    readonly headers?: Readonly<Record<string, string>>
  } & (Declared[Status] extends { readonly body: infer Body extends z.ZodType }
    ? { readonly body: Frozen<z.output<Body>> }
    : Declared[Status] extends { readonly events: object }
      ? { readonly listen: Listen }
      : { readonly body?: undefined })
}[keyof Declared & number]

/** Nobody changes what is answered, so that what may not be changed can be. */
type Frozen<Value> = Value extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: Frozen<Value[Key]> }
    : Value

/** Is given what it may write events to, and whether whoever asked would still be let in. */
export type Listen = (to: ServerResponse, isAdmitted: () => boolean) => void

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly listen?: Listen
}

/** What a handler is given: everything checked, and who asks, as the audit names them. */
export interface Asked<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly headers: IncomingHttpHeaders
  readonly author: string
  readonly caller: Caller
}

export interface Declaration<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Declared extends Responses,
> {
  readonly method: Method
  /** As OpenAPI writes it: `/api/organizations/{id}`. Each name in braces is one of `params`. */
  readonly path: string
  readonly summary: string
  /** Whether it changes anything: what does is audited by its handler. */
  readonly writes: boolean
  /** Answers whoever asks, as far as it does: for this one nobody need have shown who they are. */
  readonly open?: boolean
  readonly params?: Params
  /** Strict, as `params`: a parameter that is not declared is refused. Values arrive as text. */
  readonly query?: Query
  /** JSON. One that may be left out is optional here, or has a `prefault`. */
  readonly body?: Body
  /** In bytes; default 1 MiB. */
  readonly bodyLimit?: number
  /** Request headers it heeds, name to description. */
  readonly heeds?: Readonly<Record<string, string>>
  readonly responses: Declared
  /** What it may refuse, besides what every route may. */
  readonly problems?: readonly ErrorCode[]
  /** Answers, or throws a `Refusal`. */
  readonly handle: (
    asked: Asked<z.output<Params>, z.output<Query>, z.output<Body>>,
  ) => AnswerOf<NoInfer<Declared>> | Promise<AnswerOf<NoInfer<Declared>>>
}

export type Method = 'get' | 'put' | 'post' | 'delete'

/** A route as the listener and the OpenAPI document see it. */
export interface Route {
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly writes: boolean
  readonly open: boolean
  readonly params: z.ZodObject
  readonly query: z.ZodObject
  /** Undefined: a body is not looked at. */
  readonly body: z.ZodType | undefined
  readonly bodyLimit: number
  readonly heeds: Readonly<Record<string, string>>
  readonly responses: Responses
  readonly problems: readonly ErrorCode[]
  /** Checks what came and answers it. Throws a `Refusal`, `invalid_request` with every fault there is. */
  answer(raw: Asked<unknown, unknown, unknown>): Promise<Answer>
}

/** One route of the admin API: from this one declaration both its handler and its description are made. */
export function route<
  Params extends z.ZodObject = typeof nothing,
  Query extends z.ZodObject = typeof nothing,
  Body extends z.ZodType = z.ZodUndefined,
  const Declared extends Responses = Responses,
>(declared: Declaration<Params, Query, Body, Declared>): Route {
  const { method, path, summary, writes, responses, handle } = declared
  const params = declared.params ?? nothing
  const query = declared.query ?? nothing
  const takesBody = method === 'put' || method === 'post'
  const body = declared.body ?? (takesBody ? noBody : undefined)
  return {
    method,
    path,
    summary,
    writes,
    open: declared.open ?? false,
    params,
    query,
    body,
    bodyLimit: declared.bodyLimit ?? BODY_LIMIT,
    heeds: declared.heeds ?? {},
    responses,
    problems: declared.problems ?? [],
    async answer(raw) {
      const inPath = params.safeParse(raw.params, { error: words })
      const inQuery = query.safeParse(raw.query, { error: words })
      const inBody = (body ?? z.unknown()).safeParse(raw.body, { error: words })
      if (!inPath.success || !inQuery.success || !inBody.success) {
        throw invalidRequest([inPath, inQuery, inBody].flatMap(({ error }) => faultsIn(error)))
      }
      return await handle({
        ...raw,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed by this very schema, or its stand-in
        params: inPath.data as z.output<Params>,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same
        query: inQuery.data as z.output<Query>,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same
        body: inBody.data as z.output<Body>,
      })
    },
  }
}

/** A request that is not what the route takes, with every fault. */
export function invalidRequest(errors: readonly Fault[]): Refusal {
  return new Refusal('invalid_request', 'The request is not what this route takes: see errors.', { errors })
}

/** Room for every row there can be many times over, and little enough to hold in memory. */
const BODY_LIMIT = 1024 * 1024

const nothing = z.strictObject({})
const noBody = z.strictObject({}).prefault({})

function faultsIn(error: z.ZodError | undefined): Fault[] {
  return faultsOf(error?.issues ?? []).map(({ path, message }) => ({ path: z.core.toDotPath(path), message }))
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  object: 'an object',
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
}

/** The words for what a schema has no words of its own for. */
function words(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return 'is required'
  if (issue.code === 'invalid_type') return `must be ${kinds[issue.expected] ?? issue.expected}`
  if (issue.code !== 'invalid_value') return undefined
  return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
}
