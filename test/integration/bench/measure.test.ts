import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { pathToProgram } from '../../../bench/installed.ts'
import { measure, naming } from '../../../bench/measure.ts'
import { slackCommand } from '../../../bench/slack-command.ts'
import { loopbackServers } from './loopback.ts'

const installed = pathToProgram('wrk') !== undefined
if (!installed) console.warn('wrk is not installed: what is measured is not looked at')

describe('what is thrown of a server', () => {
  it('says of which', async () => {
    await expect(naming('bare', Promise.reject(new Error('it answered 500')))).rejects.toThrow(
      /^bare: it answered 500$/,
    )
    await expect(naming('bare', Promise.resolve(1))).resolves.toBe(1)
  })
})

describe.skipIf(!installed)('a server that is timed', () => {
  const serve = loopbackServers()
  /** Answers so, having asked its region so many times. */
  const flood = async ({ status = 200, times = 1 }: { status?: number; times?: number }) => {
    let asked = 0
    const region = await serve((req, res) => {
      if (req.method === 'POST') asked += 1
      res.end(String(asked))
    })
    const url = await serve((_, res) => {
      const asks = Array.from(
        { length: times },
        () =>
          new Promise((resolve) => {
            request(region, { method: 'POST' }, (reply) => reply.resume().on('end', resolve)).end()
          }),
      )
      void Promise.all(asks).then(() => res.writeHead(status).end())
    })
    const load = { forms: [slackCommand(1)], connections: 2, seconds: 1, regions: [region] }
    return measure({ pid: process.pid, url }, load)
  }

  it('has asked its region for each answer', async () => {
    const { requests, cpuMicros } = await flood({})
    expect(requests).toBeGreaterThan(2)
    expect(cpuMicros).toBeGreaterThan(0)
  })

  it.each([
    [
      'answers without having asked',
      { times: 0 },
      /^it answered \d+ times, and asked region 0 0 times for it: it lost some, or answers faster /,
    ],
    ['asks twice', { times: 2 }, /^it answered \d+ times, and asked region 0 \d+ times for it$/],
    ['answers with an error', { status: 500 }, /^of its \d+ answers some were errors: {"status":\d+}$/],
  ])('has no figures when it %s', async (_, how, says) => {
    await expect(flood(how)).rejects.toThrow(says)
  })
})
