import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpus, platform } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { cpuMs, familyCpuMs, watchOthers } from '../../../bench/process-account.ts'

/** Under a name with all that its line in /proc is taken apart by, uses the CPU for a while and tells for how long. */
const BUSY = `
  process.title = 'a) 7 (b 9'
  while (process.cpuUsage().user < 150_000);
  const { user, system } = process.cpuUsage()
  console.log((user + system) / 1000)
`
const IDLE = 'setInterval(() => {}, 1_000_000);'

describe.skipIf(platform() !== 'linux')("the operating system's account", () => {
  const children: ChildProcess[] = []
  const start = (script: string): ChildProcess => {
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    children.push(child)
    return child
  }
  afterEach(async () => {
    for (const child of children.splice(0)) {
      const gone = once(child, 'exit')
      process.kill(-child.pid!, 'SIGKILL')
      await gone
    }
  })
  const told = async (child: ChildProcess): Promise<number> => {
    const [chunk] = (await once(child.stdout!, 'data')) as [Buffer]
    return Number(chunk.toString())
  }

  it('is in milliseconds of user and system time', async () => {
    const child = start(`${BUSY}\n${IDLE}`)
    const ms = await told(child)
    // The account is kept in ticks of 10 ms, each kind of time for itself.
    expect(cpuMs(child.pid!)).toBeGreaterThan(ms - 30)
    expect(cpuMs(child.pid!)).toBeLessThan(2 * ms)
  })

  it.each([
    ['run', `${BUSY}\n${IDLE}`, 'child.stdout', 'data'],
    ['have ended', BUSY, 'child', 'close'],
  ])('has, for a family, the children that %s', async (_, script, source, event) => {
    const parent = start(`
      const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(script)}])
      let ms
      child.stdout.on('data', (chunk) => (ms = chunk.toString()))
      ${source}.on('${event}', () => console.log(ms))
      ${IDLE}
    `)
    const ms = await told(parent)
    expect(familyCpuMs(parent.pid!) - cpuMs(parent.pid!)).toBeGreaterThan(ms - 30)
  })

  it('tells of what others had, but not of what those had that are watched for, and theirs', async () => {
    const begun = performance.now()
    const [all, others] = [watchOthers([]), watchOthers([process.pid])]
    const ms = await told(start(`${BUSY}\n${IDLE}`))
    const [allShare, othersShare] = [all(), others()]
    const machineMs = (performance.now() - begun) * cpus().length
    expect(allShare * machineMs).toBeGreaterThan(ms - 50)
    // Far less than what it used: others include what the host took, while cores were idle too.
    expect((allShare - othersShare) * machineMs).toBeGreaterThan(ms / 4)
  })

  it('is a number, and no error, at any moment of a family whose children come and go', async () => {
    const parent = start(`
      const { spawn } = require('node:child_process')
      const spawnNext = () => spawn('true').once('exit', spawnNext)
      for (let at = 0; at < 8; at += 1) spawnNext()
      console.log(0)
    `)
    await told(parent)
    const readings = Array.from({ length: 3000 }, () => familyCpuMs(parent.pid!))
    expect(readings.filter((ms) => !Number.isFinite(ms))).toEqual([])
  })
})
