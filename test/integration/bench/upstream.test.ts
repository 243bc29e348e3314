import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { asked } from '../../../bench/measure.ts'
import { ANSWER } from '../../../bench/slack-command.ts'
import { openStage, type Stage } from '../../../bench/stage.ts'

let stage: Stage
beforeEach(() => {
  stage = openStage()
})
afterEach(() => stage.leave())

const ask = async (region: string, body = 'a=1'): Promise<string> =>
  (await fetch(region, { method: 'POST', body })).text()

it('serves one region unless more are wanted', async () => {
  const { url, urls } = await stage.startServer('upstream.ts')
  expect(urls).toEqual([url])
  expect(await ask(url)).toBe(ANSWER)
  expect(await asked(urls)).toEqual([1])
})

it('serves several regions, each with an account of its own of how often it was asked', async () => {
  const { urls } = await stage.startServer('upstream.ts', '0', '3')
  const [first = '', , third = ''] = urls
  expect(await Promise.all([first, third, third].map((url) => ask(url)))).toEqual([ANSWER, ANSWER, ANSWER])
  expect(await asked(urls)).toEqual([1, 0, 2])
})

it('answers a large body once it is there, and more on the same connection', async () => {
  const { url } = await stage.startServer('upstream.ts')
  for (const bytes of [1, 1 << 20, 300]) expect(await ask(url, 'x'.repeat(bytes))).toBe(ANSWER)
  expect(await asked([url])).toEqual([3])
})

it('does not answer before the whole of a request is there', async () => {
  const { url } = await stage.startServer('upstream.ts')
  const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('latin1')
  for (const part of ['POST / HTTP/1.1\r\nContent-', 'Length: 4\r\n\r\n', 'ab']) {
    socket.write(part)
    expect(await asked([url])).toEqual([0])
  }
  socket.write('cd')
  const [answer] = await once(socket, 'data')
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\{"text":"done"\}$/)
  socket.destroy()
})

it('refuses a request without its body, and does not count it', async () => {
  const { url } = await stage.startServer('upstream.ts')
  expect((await fetch(url, { method: 'POST' })).status).toBe(400)
  expect((await fetch(url, { method: 'POST', body: new Blob(['chunks']).stream(), duplex: 'half' })).status).toBe(400)
  expect(await asked([url])).toEqual([0])
})

it('closes a connection that is to be closed', async () => {
  const { url } = await stage.startServer('upstream.ts')
  const answer = await fetch(url, { method: 'POST', body: 'a=1', headers: { connection: 'close' } })
  expect([await answer.text(), answer.headers.get('connection')]).toEqual([ANSWER, 'close'])
})
