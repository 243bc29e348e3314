import { describe, expect, it } from 'vitest'
import { readBody } from '../../../bench/contenders/http.ts'
import { isSigned } from '../../../bench/contenders/verify.ts'
import { checkAnswers } from '../../../bench/measure.ts'
import { slackCommand } from '../../../bench/slack-command.ts'
import { SECRET } from '../../../bench/slack-event.ts'
import { openStage } from '../../../bench/stage.ts'
import { loopbackServers } from './loopback.ts'

const form = slackCommand(1)

describe('before a contender is timed', () => {
  const serve = loopbackServers()
  const startRegion = ({ inChunks = false } = {}): Promise<string> => {
    let asked = 0
    return serve((req, res) => {
      if (req.method === 'POST') asked += 1
      if (inChunks) res.write('chunk')
      res.end(String(asked))
    })
  }
  /** Asks these regions, and answers. */
  const startContender = (
    regions: readonly string[],
    { verifies = true, inChunks = false, answer = '{"text":"done"}', sendsBody = true } = {},
  ): Promise<string> =>
    serve((req, res) =>
      readBody(req, (body) => {
        if (verifies && !isSigned(SECRET, req.headers, body)) res.writeHead(401).end()
        else
          void Promise.all(
            regions.map((region) =>
              fetch(region, { method: 'POST', ...(sendsBody && { body: new Uint8Array(body) }) }),
            ),
          ).then(() => (inChunks ? res.writeHead(200) : res).end(answer))
      }),
    )
  const check = (url: string, regions: readonly string[], verifies = true): Promise<void> =>
    checkAnswers(url, { regions, form, verifies, patienceMs: 50 })

  it('must answer as its regions do, ask each of them once and refuse what is forged', async () => {
    const regions = [await startRegion(), await startRegion(), await startRegion()]
    await expect(check(await startContender(regions), regions)).resolves.toBeUndefined()
  })

  it('must not answer anything else', async () => {
    const regions = [await startRegion()]
    const contender = await startContender(regions, { answer: 'queued' })
    await expect(check(contender, regions)).rejects.toThrow('it answered 200 queued')
  })

  it.each([
    ['ask fewer regions', (regions: string[]) => regions.slice(1)],
    ['ask one of them twice', (regions: string[]) => [...regions, regions[0]!]],
  ])('must not %s', async (_, askedOf) => {
    const regions = [await startRegion(), await startRegion(), await startRegion()]
    const contender = await startContender(askedOf(regions))
    await expect(check(contender, regions)).rejects.toThrow('it did not ask each of its regions once')
  })

  it('may ask one of them as often as it is named', async () => {
    const [fastest, slow] = [await startRegion(), await startRegion()]
    const regions = [fastest, slow, slow]
    await expect(check(await startContender(regions), regions)).resolves.toBeUndefined()
    await expect(check(await startContender(regions), [fastest, slow])).rejects.toThrow('did not ask each')
  })

  it('must bring each of them the body', async () => {
    const stage = openStage()
    try {
      const { urls } = await stage.startServer('upstream.ts', '0', '2')
      await expect(check(await startContender(urls), urls)).resolves.toBeUndefined()
      const contender = await startContender(urls, { sendsBody: false })
      await expect(check(contender, urls)).rejects.toThrow('it did not ask each of its regions once')
    } finally {
      await stage.leave()
    }
  })

  it('must tell the length of its answer unless it cannot, and so must its regions', async () => {
    const regions = [await startRegion()]
    const contender = await startContender(regions, { inChunks: true })
    await expect(check(contender, regions)).rejects.toThrow('it answers in chunks')
    await checkAnswers(contender, { regions, form, verifies: true, inChunks: true })
    const chunked = [await startRegion({ inChunks: true })]
    await expect(check(await startContender(chunked), chunked)).rejects.toThrow('a region answers in chunks')
  })

  it('must not let a forged body through', async () => {
    const regions = [await startRegion()]
    const contender = await startContender(regions, { verifies: false })
    await expect(check(contender, regions)).rejects.toThrow('it answered 200 to a forged body')
    await check(contender, regions, false)
  })
})
