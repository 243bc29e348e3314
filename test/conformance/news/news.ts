import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { News } from '../../../src/fleet/news.ts'

/** Somebody who listens, and all that came, in order. */
export function createListener() {
  const came: string[] = []
  return {
    came,
    heard: (text: string) => void came.push(`heard ${text}`),
    missed: () => void came.push('missed'),
  }
}

export interface Opened {
  readonly here: News
  readonly there: News
  readonly close: () => Promise<void>
}

/** What every way of telling other gateways something has to do. */
export function newsConformance(name: string, open: () => Promise<Opened>): void {
  describe(`news over ${name}`, () => {
    let opened: Opened
    beforeEach(async () => void (opened = await open()))
    afterEach(() => opened.close())

    /** Listens, and waits until that has an effect. What is told meanwhile is cleared away. */
    async function listening(news: News, from: News, topic: string) {
      const listener = createListener()
      const end = news.listen(topic, listener)
      await expect
        .poll(() => {
          from.tell(topic, 'are you there?')
          return listener.came
        })
        .not.toEqual([])
      from.tell(topic, 'that is all')
      await expect.poll(() => listener.came.at(-1)).toBe('heard that is all')
      listener.came.length = 0
      return { ...listener, end }
    }

    it('is heard by the others, word by word and in order', async () => {
      const { here, there } = opened
      const listener = await listening(there, here, 'directory')
      for (const text of ['one', '', 'zwei\n"drei" \u2028 🎉']) here.tell('directory', text)
      await expect.poll(() => listener.came).toEqual(['heard one', 'heard ', 'heard zwei\n"drei" \u2028 🎉'])
    })

    it('is not heard by whoever tells it', async () => {
      const { here, there } = opened
      const own = await listening(here, there, 'directory')
      const other = await listening(there, here, 'directory')
      own.came.length = 0
      here.tell('directory', 'news')
      there.tell('directory', 'old')
      await expect.poll(() => [own.came, other.came]).toEqual([['heard old'], ['heard news']])
    })

    it('is heard by all who listen to its topic, and by no others', async () => {
      const { here, there } = opened
      const first = await listening(there, here, 'directory')
      const second = await listening(there, here, 'directory')
      const other = await listening(there, here, 'weather')
      first.came.length = 0
      here.tell('directory', 'news')
      here.tell('weather', 'rain')
      await expect.poll(() => other.came).toEqual(['heard rain'])
      expect([first.came, second.came]).toEqual([['heard news'], ['heard news']])
    })

    it('is not heard any more by whoever has stopped listening', async () => {
      const { here, there } = opened
      const first = await listening(there, here, 'directory')
      const second = await listening(there, here, 'directory')
      first.came.length = 0
      first.end()
      here.tell('directory', 'news')
      await expect.poll(() => second.came).toEqual(['heard news'])
      second.end()
      const again = await listening(there, here, 'directory')
      here.tell('directory', 'more')
      await expect.poll(() => again.came).toEqual(['heard more'])
      expect([first.came, second.came]).toEqual([[], ['heard news']])
    })

    it('never is missed as long as nothing goes wrong', async () => {
      const { here, there } = opened
      const listener = createListener()
      there.listen('directory', listener)
      await listening(there, here, 'weather')
      here.tell('directory', 'news')
      await expect.poll(() => listener.came).toEqual(['heard news'])
    })
  })
}
