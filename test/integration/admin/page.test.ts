import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startAdmin, type AdminRig } from './admin-rig.ts'

let rig: AdminRig
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'admin-page-'))
  const page = join(folder, 'console')
  mkdirSync(join(page, 'assets'), { recursive: true })
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>The console</title>')
  writeFileSync(join(page, 'assets/index-4f2a.js'), 'export {}')
  writeFileSync(join(page, 'assets/.hidden'), 'hidden')
  writeFileSync(join(folder, 'secret'), 'a secret')
  rig = await startAdmin({ env: { ADMIN_TOKEN: 'open-sesame' } }, { page })
})
afterAll(async () => {
  await rig.close()
  rmSync(folder, { recursive: true })
})

describe('the page', () => {
  it('is open to whoever has no token', async () => {
    const reply = await rig.ask('GET', '/')
    expect(reply).toMatchObject({ status: 200, text: '<!doctype html><title>The console</title>' })
    expect(reply.headers['content-type']).toBe('text/html; charset=utf-8')
  })

  it('is asked for anew each time, since it names the files of its build', async () => {
    const { headers } = await rig.ask('GET', '/')
    expect(headers['cache-control']).toBe('no-cache')
    expect(headers['etag']).toBeUndefined()
    expect(headers['last-modified']).toBeUndefined()
  })

  it('may load and ask its own site only, run no script of its own text, and be in no frame', async () => {
    const { headers } = await rig.ask('GET', '/')
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    })
  })

  it('has assets that are kept for good', async () => {
    const reply = await rig.ask('GET', '/assets/index-4f2a.js')
    expect(reply).toMatchObject({ status: 200, text: 'export {}' })
    expect(reply.headers['content-type']).toMatch(/^text\/javascript/)
    expect(reply.headers['cache-control']).toBe('public, max-age=31536000, immutable')
  })

  it.each(['/', '/assets/index-4f2a.js'])('answers HEAD %s without a body', async (path) => {
    const reply = await rig.ask('HEAD', path)
    expect(reply).toMatchObject({ status: 200, text: '' })
    expect(Number(reply.headers['content-length'])).toBeGreaterThan(0)
  })

  it('says of an asset of another build that it is gone', async () => {
    expect(await rig.ask('GET', '/assets/index-0000.js')).toMatchObject({ status: 404, json: { code: 'not_found' } })
  })

  it.each([
    '/../secret',
    '/assets/../../secret',
    '/%2e%2e/secret',
    '/assets/..%2f..%2fsecret',
    '/assets/%2e%2e%2f%2e%2e%2fsecret',
    '/..%5csecret',
    '//secret',
    '/assets/.hidden',
    '/%00',
    '/assets/%E0%A4%A',
    '/assets',
    '/assets/',
  ])('gives nothing away at %s', async (path) => {
    const reply = await rig.ask('GET', path)
    expect([400, 401, 404]).toContain(reply.status)
    expect(reply.text).not.toMatch(/a secret|hidden|console\//)
  })

  it.each([
    [200, { Range: 'bytes=0-3' }],
    [200, { Range: 'bytes=999999-' }],
    [412, { 'If-Match': '"a-tag"' }],
    [412, { 'If-Unmodified-Since': 'Mon, 01 Jan 1990 00:00:00 GMT' }],
  ])('is answered whole or not at all: %i to %j, and nobody is alarmed', async (status, headers) => {
    const errors = () => rig.test.logs.filter(({ level }) => level === 'error')
    expect((await rig.ask('GET', '/', { headers })).status).toBe(status)
    expect(errors()).toEqual([])
  })

  it('is not there under a foreign name', async () => {
    const reply = await rig.ask('GET', '/', { headers: { Host: 'evil.example' } })
    expect(reply).toMatchObject({ status: 403, json: { code: 'foreign_host' } })
  })

  it('takes nothing in its place', async () => {
    expect((await rig.ask('POST', '/', { body: {} })).status).toBe(401)
    expect((await rig.ask('DELETE', '/assets/index-4f2a.js')).status).toBe(401)
  })
})

describe('a page that was not built', () => {
  it('is a 503 that says how to build it, while the API is there', async () => {
    const unbuilt = await startAdmin({}, { page: join(folder, 'nowhere') })
    try {
      const reply = await unbuilt.ask('GET', '/')
      expect(reply.status).toBe(503)
      expect(reply.headers['content-type']).toBe('text/plain; charset=utf-8')
      expect(reply.text).toContain('npm run build')
      expect((await unbuilt.ask('GET', '/api/regions')).status).toBe(200)
    } finally {
      await unbuilt.close()
    }
  })
})
