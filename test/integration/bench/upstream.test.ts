import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
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

/** A connection to it, and what it says there next. */
async function connectTo(url: string) {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true }).setEncoding(
    'latin1',
  )
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return { socket, next: async (): Promise<string> => (await once(socket, 'data')).join() }
}

const DONE = /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\{"text":"done"\}$/

it('answers once the whole of a request is there, and then the next one on the same connection', async () => {
  const { url } = await stage.startServer('upstream.ts')
  const { socket, next } = await connectTo(url)
  for (const already of [0, 1]) {
    for (const part of ['POST / HTTP/1.1\r\nContent-', 'Length: 4\r\n\r\n', 'ab']) {
      socket.write(part)
      expect(await asked([url])).toEqual([already])
    }
    const answer = next()
    socket.write('cd')
    expect(await answer).toMatch(DONE)
  }
  const answer = next()
  socket.write('POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd')
  expect(await answer).toMatch(DONE)
})

it('answers a large body once it is there', async () => {
  const { url } = await stage.startServer('upstream.ts')
  for (const bytes of [1, 1 << 20, 300]) expect(await ask(url, 'x'.repeat(bytes))).toBe(ANSWER)
  expect(await asked([url])).toEqual([3])
})

it('looks for nothing in a body', async () => {
  const { url } = await stage.startServer('upstream.ts')
  const { socket, next } = await connectTo(url)
  for (const body of ['\r\nconnection: close\r\n', '\r\n\r\nGET /asked']) {
    const answer = next()
    socket.write(`POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    expect(await answer).toMatch(/\r\nConnection: keep-alive\r\n[^]*done/)
  }
})

it('refuses a request without its body, and does not count it', async () => {
  const { url } = await stage.startServer('upstream.ts')
  expect((await fetch(url, { method: 'POST' })).status).toBe(400)
  expect((await fetch(url, { method: 'POST', body: new Blob(['chunks']).stream(), duplex: 'half' })).status).toBe(400)
  expect(await asked([url])).toEqual([0])
})

it('refuses chunks once, however many follow, and ends the connection', async () => {
  const { url } = await stage.startServer('upstream.ts')
  const { socket, next } = await connectTo(url)
  const answer = next()
  const ended = once(socket, 'end')
  socket.write('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n')
  expect(await answer).toMatch(/^HTTP\/1\.1 400 /)
  await ended
  const more: string[] = []
  // Whoever writes on may find it reset.
  socket.on('data', (text: string) => more.push(text)).on('error', () => {})
  for (const chunk of ['3\r\na=1\r\n\r\n\r\n', '3\r\nb=2\r\n\r\n\r\n', '0\r\n\r\n']) {
    socket.write(chunk)
    // By its answer the region has read what was written before.
    expect(await asked([url])).toEqual([0])
  }
  expect(more).toEqual([])
})

it('closes a connection that is to be closed', async () => {
  const { url } = await stage.startServer('upstream.ts')
  const answer = await fetch(url, { method: 'POST', body: 'a=1', headers: { connection: 'close' } })
  expect([await answer.text(), answer.headers.get('connection')]).toEqual([ANSWER, 'close'])
})
