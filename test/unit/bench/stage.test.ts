import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { OpenLoad, OpenLoopReport } from '../../../bench/open-loop.ts'
import { fellBehind } from '../../../bench/pace.ts'
import { openStage } from '../../../bench/stage.ts'

describe('what a bench is told by a process of its own', () => {
  it('is no number where nothing is known: a generator that got nothing off was behind', async () => {
    const mute = createServer(() => {}).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`
    const stage = openStage()
    try {
      const { lagMs } = await stage.employ<OpenLoad, OpenLoopReport>('open-loop.ts').ask({
        url,
        form: 'command',
        perSecond: 100,
        settleSeconds: 0.1,
        seconds: 0.1,
        connections: 1,
        ahead: 0,
        patienceMs: 50,
      })
      expect(lagMs.p99).toBeNaN()
      expect(fellBehind(lagMs.p99)).toBe(true)
    } finally {
      await stage.leave()
      mute.close().closeAllConnections()
    }
  })
})
