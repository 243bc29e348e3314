/* How long it takes from the start of the built gateway until it is ready: its admin listener says so. */
import { get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { furnishGateway } from './contenders/gateway.ts'
import { freePort } from './contenders/ports.ts'
import { machine } from './machine.ts'
import { roundsAsked } from './rounds.ts'
import { openStage, type GatewayEnv, type Stage } from './stage.ts'
import { judge, spread } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'

const MOST_MS = 500
const PATIENCE_MS = 10_000

export async function benchStart(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 10, quickRounds: 3 })
  const { rounds } = asked
  const stage = openStage()
  try {
    const env = await furnishGateway(stage, [(await stage.startServer('upstream.ts')).url])
    // The first one finds the files on disk, all others in memory: that is how a gateway is started again.
    const firstMs = await start(stage, env)
    const readyMs: number[] = []
    for (let round = 0; round < rounds; round += 1) readyMs.push(await start(stage, env))
    const judged = judge(readyMs, MOST_MS)
    const says = `ready after ${spread(readyMs, 0)} ms, median of ${rounds}; at most ${MOST_MS}: ${judged.verdict}`
    tellTable(`${says}\nthe first time, with files from the disk, after ${firstMs.toFixed(0)} ms`, asked)
    tellFigures({ machine: machine(), ...judged, readyMs, firstMs }, asked)
  } finally {
    await stage.leave()
  }
}

/** Starts it, and ends it again. Returns how long it took. */
async function start(stage: Stage, env: GatewayEnv): Promise<number> {
  const adminPort = await freePort()
  const beganAt = performance.now()
  const gateway = await stage.serve({ ...env, ADMIN_PORT: String(adminPort) })
  while ((await statusOf(`http://127.0.0.1:${adminPort}/health/ready`)) !== 200) {
    if (performance.now() - beganAt > PATIENCE_MS) throw new Error(`It was not ready after ${PATIENCE_MS / 1000} s`)
    await pause(1)
  }
  const tookMs = performance.now() - beganAt
  await gateway.stop()
  return tookMs
}

/** Undefined where nobody answers. */
function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (res) => {
      res.resume()
      resolve(res.statusCode)
    }).on('error', () => resolve(undefined))
  })
}
