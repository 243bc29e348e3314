import { z } from 'zod'
import { catalogue, type ErrorCode } from '../errors.ts'
import type { Response, Route } from './route.ts'
import { SESSION_COOKIE } from './session.ts'

type Json = Record<string, unknown>

/** What every route may answer besides its own. */
const anyRoute: readonly ErrorCode[] = ['foreign_host', 'foreign_origin', 'store_unavailable', 'internal_error']
const anyBody: readonly ErrorCode[] = [
  'body_timeout',
  'body_too_large',
  'unsupported_media_type',
  'unsupported_content_encoding',
]

/** RFC 9457, as `problemReply` writes it. */
const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string().describe('Stable: what a program may decide by.'),
  detail: z.string(),
  errors: z
    .array(z.object({ path: z.string(), message: z.string() }))
    .optional()
    .describe('Each fault, and where it is.'),
})

/** The OpenAPI 3.1 document of these routes, from the schemas that they check by. */
export function openApiOf(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {}
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) }
  return {
    openapi: '3.1.0',
    info: {
      title: 'silo-gateway admin API',
      version: '1',
      description: 'Ids are 64-bit: integers up to 2^53-1 or digits as text on the way in, text on the way out.',
    },
    paths,
    components: {
      schemas: { Problem: schemaOf(problem, 'output') },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'The value of ADMIN_TOKEN.' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: SESSION_COOKIE,
          description:
            'Of POST /api/session, which names it: an underscore and the port follow where the address has one. What ' +
            'writes needs the header X-CSRF-Token besides.',
        },
      },
    },
    // Without a token set, loopback needs none.
    security: [{ token: [] }, { session: [] }, {}],
  }
}

/** Every code that a route may refuse with. */
function problemsOf({ method, open, body, problems }: Route): ErrorCode[] {
  return [
    'invalid_request',
    ...(open ? [] : (['unauthorized'] as const)),
    ...(open || method === 'get' ? [] : (['csrf'] as const)),
    ...anyRoute,
    ...(body === undefined ? [] : anyBody),
    ...problems,
  ]
}

function operationOf(route: Route): Json {
  const { method, path, summary, open, params, query, body, heeds } = route
  return {
    operationId: operationId(method, path),
    summary,
    ...(open && { security: [{}] }),
    parameters: [
      ...parametersOf(params, 'path'),
      ...parametersOf(query, 'query'),
      ...Object.entries(heeds).map(([name, description]) => ({
        name,
        in: 'header',
        required: false,
        description,
        schema: { type: 'string' },
      })),
    ],
    ...(body !== undefined && {
      requestBody: {
        required: !body.safeParse(undefined).success,
        content: { 'application/json': { schema: schemaOf(body, 'input') } },
      },
    }),
    responses: { ...problemResponses(problemsOf(route)), ...ownResponses(route) },
  }
}

function ownResponses({ responses }: Route): Json {
  return Object.fromEntries(
    Object.entries(responses).map(([status, { description, body, events, headers = {} }]) => [
      status,
      {
        description,
        ...(Object.keys(headers).length > 0 && {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, said]) => [name, { description: said, schema: { type: 'string' } }]),
          ),
        }),
        ...(body !== undefined && { content: { 'application/json': { schema: schemaOf(body, 'output') } } }),
        ...(events !== undefined && { content: { 'text/event-stream': eventStream(events) } }),
      },
    ]),
  )
}

/** OpenAPI 3.1 has no word for events yet: what the data of each is, by its name, is said in an extension. */
function eventStream(events: NonNullable<Response['events']>): Json {
  const data = Object.entries(events).map(([name, schema]) => [name, schemaOf(schema, 'output')] as const)
  return { schema: { type: 'string' }, 'x-events': Object.fromEntries(data) }
}

function problemResponses(codes: readonly ErrorCode[]): Json {
  const byStatus = Map.groupBy(new Set(codes), (code) => catalogue[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      status,
      {
        description: those.map((code) => `\`${code}\`: ${catalogue[code].title}.`).join(' '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  )
}

function parametersOf(schema: z.ZodObject, where: 'path' | 'query'): Json[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' })
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: property,
  }))
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  // OpenAPI 3.1 speaks this dialect anyway.
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, { io })
  return described
}

/** `get /api/organizations/{id}` is `getOrganizationsById`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace(/^\/api\//, '')
    .replace(/\{(\w+)\}/g, 'by-$1')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
  return method + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('')
}
