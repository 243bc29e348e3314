import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { adminRoutes } from '../../../src/admin/routes.ts'
import { openApiOf } from '../../../src/admin/openapi.ts'
import { route } from '../../../src/admin/route.ts'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin, type AdminRig } from './admin-rig.ts'
import { expectDocumented, type OpenApi } from './documented.ts'

let rig: AdminRig
let document: OpenApi

beforeAll(async () => {
  rig = await startAdmin({ directory: workspace({ acme: 'us' }) })
  document = (await rig.ask('GET', '/openapi.json')).json as OpenApi
})
afterAll(() => rig.close())

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  )

describe('/openapi.json', () => {
  it('is the document of the routes there are', () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    expect(document).toEqual(JSON.parse(JSON.stringify(openApiOf(adminRoutes(rig.gateway)))))
  })

  it('has every route, and no other', () => {
    const declared = adminRoutes(rig.gateway).map(({ method, path }) => `${method} ${path}`)
    expect(operations().map(({ method, path }) => `${method} ${path}`)).toEqual(expect.arrayContaining(declared))
    expect(operations()).toHaveLength(declared.length)
  })

  it('names each operation once, and says what each is for', () => {
    const ids = operations().map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    expect(operations().filter(({ operation }) => operation.summary === '')).toEqual([])
  })

  it('has the parameters that stand in each path', () => {
    for (const { path, operation } of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const declared = operation.parameters.filter((parameter) => parameter.in === 'path')
      expect(declared.map(({ name }) => name)).toEqual(named)
      expect(declared.every(({ required }) => required)).toBe(true)
    }
  })

  it('describes each body as what it takes', () => {
    for (const { operation } of operations()) {
      const schema = operation.requestBody?.content['application/json']?.schema
      if (schema === undefined) continue
      const taken = z.fromJSONSchema(schema)
      expect(taken.safeParse({ a_key_that_nothing_has: 1 }).success, operation.operationId).toBe(false)
    }
  })

  it('knows what each path answers, even to those who give it nothing', async () => {
    for (const { method, path } of operations()) {
      // The rig holds each answer to the document.
      const reply = await rig.ask(method.toUpperCase(), path.replace(/\{\w+\}/g, '999'))
      expect(reply.status, `${method} ${path}`).not.toBe(405)
      expect(reply.text, `${method} ${path}`).not.toContain('What there is, is in')
    }
  })

  it('would be seen to lie', () => {
    const reply = { status: 200, headers: { 'content-type': 'application/json' }, text: '{}', json: {} }
    expect(() => expectDocumented(document, 'GET', '/api/organizations/10', reply)).toThrow(/getOrganizationsById 200/)
    const wrong = { ...reply, status: 418 }
    expect(() => expectDocumented(document, 'GET', '/api/organizations/10', wrong)).toThrow(/418 is documented/)
  })

  it('says of a route what its one declaration says', () => {
    const declared = route({
      method: 'put',
      path: '/api/things/{id}',
      summary: 'Puts a thing',
      writes: true,
      params: z.strictObject({ id: z.string() }),
      query: z.strictObject({ dry: z.enum(['true', 'false']).optional() }),
      body: z.strictObject({ name: z.string(), size: z.int().default(1) }),
      heeds: { 'If-Match': 'The tag' },
      responses: { 204: { description: 'Done' } },
      problems: ['conflict'],
      handle: () => ({ status: 204 }),
    })
    const { paths } = openApiOf([declared]) as unknown as OpenApi
    const operation = paths['/api/things/{id}']?.['put']
    expect(operation).toMatchObject({
      operationId: 'putThingsById',
      parameters: [
        { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
        { name: 'dry', in: 'query', required: false },
        { name: 'If-Match', in: 'header', required: false },
      ],
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { required: ['name'], additionalProperties: false } } },
      },
    })
    expect(Object.keys(operation?.responses ?? {})).toEqual(
      expect.arrayContaining(['204', '400', '401', '403', '409', '413', '415', '500', '503']),
    )
  })
})
