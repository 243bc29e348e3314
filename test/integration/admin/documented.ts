import { expect } from 'vitest'
import { z } from 'zod'
import type { AdminReply } from './admin-rig.ts'

type JsonSchema = Parameters<typeof z.fromJSONSchema>[0]

export interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: JsonSchema }[]
  readonly requestBody?: { readonly required: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>

/** The operation that the document has for a path as it is asked for. */
function operationFor({ paths }: OpenApi, method: string, target: string): Operation | undefined {
  const path = target.replace(/\?.*/s, '')
  const entries = Object.entries(paths).filter(([template]) =>
    new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )
  // OpenAPI: what is concrete goes before what is not.
  const [found] = entries.toSorted(([a], [b]) => a.split('{').length - b.split('{').length)
  return found?.[1][method === 'HEAD' ? 'get' : method.toLowerCase()]
}

/** The answer is one that the document knows: its status, its type and its body. */
export function expectDocumented(document: OpenApi, method: string, target: string, reply: AdminReply): void {
  const operation = operationFor(document, method, target)
  if (operation === undefined) {
    expect([404, 405, 401, 403]).toContain(reply.status)
    return
  }
  const where = `${operation.operationId} ${reply.status}`
  const response = operation.responses[reply.status]
  expect(response, `${where} is documented`).toBeDefined()
  const type = (reply.headers['content-type'] ?? '').replace(/;.*/, '')
  expect(Object.keys(response?.content ?? { '': 0 }), `${where} as ${type}`).toEqual([type])
  const schema = response?.content?.[type]?.schema
  // Of these there is no whole body to look at.
  if (type === 'text/event-stream' || method === 'HEAD') return
  if (schema === undefined) expect(reply.text, where).toBe('')
  else expect(faultsOf(document, where, schema, reply.json), `${where}: ${reply.text}`).toEqual([])
}

const schemas = new Map<string, z.ZodType>()

function faultsOf({ components }: OpenApi, where: string, schema: JsonSchema, value: unknown): unknown[] {
  const known = schemas.get(where)
  const ref = typeof schema === 'object' && schema.$ref?.replace('#/components/schemas/', '')
  const compiled = known ?? z.fromJSONSchema((ref && components.schemas[ref]) || schema)
  schemas.set(where, compiled)
  return compiled.safeParse(value).error?.issues ?? []
}
