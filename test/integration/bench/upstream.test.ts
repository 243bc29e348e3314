import { afterEach, beforeEach, expect, it } from 'vitest'
import { asked } from '../../../bench/measure.ts'
import { ANSWER } from '../../../bench/slack-command.ts'
import { openStage, type Stage } from '../../../bench/stage.ts'

let stage: Stage
beforeEach(() => {
  stage = openStage()
})
afterEach(() => stage.leave())

const ask = async (region: string): Promise<string> => (await fetch(region, { method: 'POST' })).text()

it('serves one region unless more are wanted', async () => {
  const { url, urls } = await stage.startServer('upstream.ts')
  expect(urls).toEqual([url])
  expect(await ask(url)).toBe(ANSWER)
  expect(await asked(urls)).toEqual([1])
})

it('serves several regions, each with an account of its own of how often it was asked', async () => {
  const { urls } = await stage.startServer('upstream.ts', '0', '3')
  const [first = '', , third = ''] = urls
  expect(await Promise.all([first, third, third].map(ask))).toEqual([ANSWER, ANSWER, ANSWER])
  expect(await asked(urls)).toEqual([1, 0, 2])
})
