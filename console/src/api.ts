import { csrf, signedOut } from './csrf.ts'

/** A fault of what was sent: where in it, as `a.b.0`, and what is wrong there. */
export interface Fault {
  readonly path: string
  readonly message: string
}

/** What the admin API refused, or that it could not be reached (`code: 'unreachable'`, status 0). */
export class ApiError extends Error {
  readonly status: number
  /** Stable, as in the catalogue of errors: `not_found`, `conflict`, `invalid_request`, … */
  readonly code: string
  readonly title: string
  readonly faults: readonly Fault[]

  constructor(problem: { status: number; code: string; title: string; detail?: string; errors?: readonly Fault[] }) {
    super(problem.detail ?? problem.title)
    this.status = problem.status
    this.code = problem.code
    this.title = problem.title
    this.faults = problem.errors ?? []
  }
}

/** A page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next_cursor: string | null
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

interface Options {
  /** Ends the request: whoever has gone away wants no answer. */
  readonly signal?: AbortSignal
  /** More headers, such as `If-Match`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Each resolves to the answer's JSON (undefined where it has none) and throws an `ApiError`. */
export function get<Body>(path: string, query: Query = {}, options: Options = {}): Promise<Body> {
  return ask<Body>('GET', path + queryText(query), undefined, options)
}

/** As much as a page of a list can be. */
const LONGEST_PAGE = 1000

/** Every item of a list, where what is said is wrong without one of them. */
export async function getAll<Item>(path: string, query: Query = {}, options: Options = {}): Promise<readonly Item[]> {
  const all: Item[] = []
  let cursor: string | undefined
  do {
    const page: Page<Item> = await get(path, { ...query, limit: LONGEST_PAGE, cursor }, options)
    all.push(...page.items)
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
  return all
}

/** A row, and the entity tag that it has as long as nobody changes it: for `If-Match`. */
export interface Tagged<Row> {
  readonly row: Row
  readonly etag: string
}

export async function getTagged<Row>(path: string, options: Options = {}): Promise<Tagged<Row>> {
  const { row, etag } = await exchange<Row>('GET', path, undefined, options)
  return { row, etag: etag === '' ? '*' : etag }
}

export function post<Body>(path: string, body: unknown = {}, options: Options = {}): Promise<Body> {
  return ask<Body>('POST', path, body, options)
}

export function put<Body>(path: string, body: unknown, options: Options = {}): Promise<Body> {
  return ask<Body>('PUT', path, body, options)
}

export function remove<Body = undefined>(path: string, options: Options = {}): Promise<Body> {
  return ask<Body>('DELETE', path, undefined, options)
}

/** With its question mark; what is undefined or empty is left out. */
export function queryText(query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`
}

async function ask<Body>(method: string, path: string, body: unknown, options: Options): Promise<Body> {
  return (await exchange<Body>(method, path, body, options)).row
}

async function exchange<Body>(
  method: string,
  path: string,
  body: unknown,
  { signal, headers }: Options,
): Promise<Tagged<Body>> {
  const token = csrf()
  const asked = fetch(path, {
    method,
    credentials: 'same-origin',
    cache: 'no-store',
    ...(signal && { signal }),
    headers: {
      Accept: 'application/json',
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(token !== null && method !== 'GET' && { 'X-CSRF-Token': token }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  // An answer that breaks off is none.
  const { response, text } = await asked
    .then(async (response) => ({ response, text: await response.text() }))
    .catch((error: unknown) => {
      if (signal?.aborted === true) throw error
      throw new ApiError({ status: 0, code: 'unreachable', title: 'The gateway does not answer' })
    })
  const json: unknown = isJson(response) && text !== '' ? JSON.parse(text) : undefined
  if (response.ok) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from the gateway that this page came with
    return { row: json as Body, etag: response.headers.get('ETag') ?? '' }
  }
  // A session ends: the page is the login again. The answer to a wrong token is not that.
  if (response.status === 401 && path !== '/api/session') signedOut()
  throw new ApiError(problemIn(json, response.status))
}

function isJson(response: Response): boolean {
  return /\bjson\b/.test(response.headers.get('Content-Type') ?? '')
}

function problemIn(json: unknown, status: number): ConstructorParameters<typeof ApiError>[0] {
  const problem = typeof json === 'object' && json !== null ? json : {}
  return { code: 'unexpected', title: `The gateway answered with status ${status}`, ...problem, status }
}
