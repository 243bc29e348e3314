import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../support/expect-problem.ts'
import { startSilo, type Silo } from '../../support/silo.ts'
import { everywhere, webhookPaths } from '../../support/slack-surfaces.ts'
import { eventCallback, TEAM } from '../../support/slack-payloads.ts'
import { send, workspace } from '../../support/test-gateway.ts'

let silo: Silo
beforeAll(async () => {
  silo = await startSilo({ regions: { us: {} }, directory: workspace({ acme: 'us' }) })
})
afterAll(() => silo.close())

describe('a webhook path', () => {
  it.each(everywhere)('$path takes a $what', async ({ path, surface }) => {
    const body = surface.from(TEAM)
    const { reply, asked, sent } = await silo.deliver(path, body)

    expect(reply.status).toBe(200)
    expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    expect(reply.text).toBe(surface.kind === 'event' ? '' : 'us')
    expect(asked).toEqual(['us'])
    expect(sent['us']).toMatchObject({ method: 'POST', url: path, body: Buffer.from(body.body) })
  })

  const targets = ['?a=%2F&b=+c&&d', '?', '?%zz=%', '?a=1?b=/../x&a=1', '?q="<>^`{|}\\', '?A=%c3%A9&=']
  it.each(webhookPaths.flatMap((path) => targets.map((query) => ({ target: path + query }))))(
    'reaches the region byte for byte: $target',
    async ({ target }) => {
      const surface = everywhere.find(({ path }) => target.startsWith(`${path}?`))!.surface
      const { asked, sent } = await silo.deliver(target, surface.from(TEAM))

      expect(asked).toEqual(['us'])
      expect(sent['us']?.url).toBe(target)
    },
  )

  it.each([
    ['http://slack-app.example/slack/events?a=%2F', '/slack/events?a=%2F'],
    ['HTTPS://slack-app.example:443/slack/events/', '/slack/events/'],
  ])('may come as a whole URL, %s, and reaches the region as its path', async (url, target) => {
    const { asked, sent } = await silo.deliver(url, eventCallback())

    expect(asked).toEqual(['us'])
    expect(sent['us']?.url).toBe(target)
  })

  it.each(
    webhookPaths.flatMap((path) =>
      ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'].map((method) => ({ method, path })),
    ),
  )('$path answers $method with 405 and Allow', async ({ method, path }) => {
    const reply = await send(silo.port, { method, path, headers: {} })

    expectProblem(reply, 405, 'method_not_allowed')
    expect(reply.headers.allow).toBe('POST')
  })

  it.each(webhookPaths)('%s answers HEAD with 405, Allow and no body', async (path) => {
    const reply = await send(silo.port, { method: 'HEAD', path, headers: {} })

    expect(reply.status).toBe(405)
    expect(reply.headers.allow).toBe('POST')
    expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    expect(reply.text).toBe('')
  })

  it('answers another method before it looks at the body or the signature', async () => {
    const { reply, asked } = await silo.deliver('/slack/events', eventCallback(), {
      method: 'PUT',
      headers: { 'Content-Encoding': 'gzip', 'X-Slack-Signature': 'v0=nonsense' },
    })

    expectProblem(reply, 405, 'method_not_allowed')
    expect(asked).toEqual([])
  })
})

describe('any other path', () => {
  it.each([
    '/',
    '/slack',
    '/slack/event',
    '/slack/events/x',
    '/slack/events//',
    '//slack/events',
    '/Slack/events',
    '/slack/Events',
    '/slack/%65vents',
    '/slack/./events',
    '/extensions/slack',
    '/extensions/slack/',
    '/extensions/slack/events/',
    '/extensions/slack/command/',
    '/extensions/slack/actions/',
    '/extensions/slack/options/',
    '/extensions/slack/Commands/',
    '/EXTENSIONS/slack/action/',
    '/extensions/Slack/event/',
    '/extensions/slack/options-Load/',
    '/extensions/slack/event//',
    '/extensions//slack/event/',
    '/extensions/slack/event/more',
    '/extensions/slack/event;x',
    '/extensions/slack/link-identity/token/',
    '/extensions/slack/link-team/token/',
    '/prefix/slack/events',
    '/health/live',
    '/metrics',
  ])('%s is 404, signed or not', async (path) => {
    const { body } = eventCallback()
    expectProblem(await silo.post(path, body), 404, 'not_found')
    expectProblem(await silo.post(path, body, { secret: null }), 404, 'not_found')
    expectProblem(await silo.get(path), 404, 'not_found')
  })

  it('names each answer by a request id of its own', async () => {
    const ids = [await silo.get('/'), await silo.get('/'), await silo.get('/slack/events')].map(
      ({ headers }) => headers['x-request-id'],
    )
    expect(new Set(ids).size).toBe(3)
  })
})
