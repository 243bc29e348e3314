import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Fault } from './fault.ts'
import { sendWebhook } from './slack-client.ts'
import { webhook } from './surfaces.ts'
import { hurtTeams, neighbour } from './teams.ts'
import type { World } from './world.ts'

const HOUR_MS = 3_600_000

async function shift(world: World, ms: number): Promise<void> {
  const file = join(world.folder, 'clock')
  await writeFile(`${file}.new`, String(ms))
  await rename(`${file}.new`, file)
  const giveUpAt = performance.now() + 5000
  for (;;) {
    const probe = webhook('command', 'mark-0000000', neighbour, world.responses.url)
    const { heard } = await sendWebhook(world.port, probe)
    if ((heard?.status === 401) === (ms !== 0)) return
    if (performance.now() > giveUpAt) {
      world.ledger.complaints.push(`the clock is wrong by ${ms} ms, and a request signed now got ${heard?.status}`)
      return
    }
    await sleep(20)
  }
}

/** While events wait and answers are owed the clock jumps; what waits is delivered as if it had not. */
async function jumps(world: World, ms: number): Promise<void> {
  const { hurt } = world.regions
  hurt.behave({ kind: 'answers', afterMs: 3400 })
  const late = hurtTeams.flatMap((team) => [world.send('command', team), world.send('action, response_url', team)])
  await Promise.all(late)
  // Owed now, and the region is still at it; and events that came meanwhile wait.
  hurt.behave({ kind: 'status', status: 503 })
  await world.wave()
  await shift(world, ms)
  await world.wave()
  await sleep(1500)
  await hurt.heal()
  await sleep(1500)
  const waiting = world.ledger.executions.filter(({ takenAt, deferred }) => deferred && takenAt !== undefined)
  if (waiting.length === 0) world.ledger.complaints.push('while the clock was wrong no mailbox was emptied')
  await shift(world, 0)
  await Promise.all([world.wave(), world.recovered()])
  await world.retryRefused()
}

const skewed = (name: string, ms: number): Fault => ({
  name: `clock ${name}`,
  excuses: { clockIsWrong: true },
  world: {
    preload: [pathToFileURL(join(import.meta.dirname, 'shifted-clock.ts')).href],
    // Relative to the folder that the gateway runs in.
    env: { FAULT_CLOCK_FILE: 'clock' },
  },
  run: (world) => jumps(world, ms),
})

export const clockFaults: readonly Fault[] = [skewed('an hour ahead', HOUR_MS), skewed('an hour behind', -HOUR_MS)]
