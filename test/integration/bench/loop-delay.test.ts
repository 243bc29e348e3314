import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'

const module = pathToFileURL(join(import.meta.dirname, '../../../bench/loop-delay.ts')).href
const lineSchema = z.object({ at: z.number(), longestMs: z.number(), onCoreMs: z.number(), inLineMs: z.number() })

/** Is held up by that, and ends once it has been told of: what was told of its start is taken out of the file before. */
const heldUpBy = (what: string): string => `
  const { existsSync, unlinkSync } = require('node:fs')
  const told = process.env.LOOP_DELAY_FILE
  const starting = setInterval(() => {
    if (!existsSync(told)) return
    clearInterval(starting)
    unlinkSync(told)
    ${what}
    setInterval(() => existsSync(told) && process.exit(), 10)
  }, 10)
`

/** With another one on the core that takes nearly all of a second, so that no other delay of it can be longer. */
const COMPUTED_MS = 500
const COMPUTING = heldUpBy(`
    const usedMs = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000 }
    const before = usedMs()
    while (usedMs() - before < ${COMPUTED_MS});
`)
/** Linux brings a thread's CPU time up to date each tick, of 10 ms at the most; and a delay is told as 1 ms too short. */
const AT_LEAST_MS = COMPUTED_MS - 20

const WAITED_MS = 700
const WAITING = heldUpBy(`Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${WAITED_MS})`)

/** For longer than it takes until something is written. */
const LIVING = 'setTimeout(() => {}, 1500)'

describe.skipIf(platform() !== 'linux')('the account of the event loop', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'loop-delay-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** All on one core. */
  const start = (...args: string[]): ChildProcess =>
    spawn('taskset', ['--cpu-list', firstCore(), process.execPath, ...args], {
      env: { ...process.env, LOOP_DELAY_FILE: join(folder, 'delays') },
      stdio: ['ignore', 'ignore', 'inherit'],
    })

  async function accountOf(script: string, ...args: string[]): Promise<z.output<typeof lineSchema>[]> {
    await once(start('--import', module, '-e', script, ...args), 'exit')
    const file = join(folder, 'delays')
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    return lines.map((line) => lineSchema.parse(JSON.parse(line)))
  }

  it('tells how long it was held up by what was computed, on a core', async () => {
    const [line] = await accountOf(COMPUTING, 'serve')
    expect(line?.longestMs).toBeGreaterThan(AT_LEAST_MS)
    expect(line?.onCoreMs).toBeGreaterThan(AT_LEAST_MS)
  })

  it('tells how long it was held up on no core, by what it waited for', async () => {
    const [line] = await accountOf(WAITING, 'serve')
    expect(line?.longestMs).toBeGreaterThan(WAITED_MS - 2)
    expect(line!.longestMs - line!.onCoreMs - line!.inLineMs).toBeGreaterThan(WAITED_MS - 50)
  })

  it('tells for how much of that no core was free', async () => {
    const other = start('-e', 'for (;;);')
    try {
      const [line] = await accountOf(COMPUTING, 'serve')
      // Of two that always want it each has it half of the time.
      expect(line?.inLineMs).toBeGreaterThan(COMPUTED_MS / 2)
      expect(line?.longestMs).toBeGreaterThan(AT_LEAST_MS + line!.inLineMs)
    } finally {
      other.kill('SIGKILL')
      await once(other, 'exit')
    }
  })

  it('is kept of a gateway that serves, and of no other command', async () => {
    expect(await accountOf(LIVING, 'directory')).toEqual([])
    expect(await accountOf(LIVING, 'serve')).not.toEqual([])
  })

  it('is kept of no other thread', async () => {
    // What is evaluated in a thread is run without preloaded modules.
    const living = `new URL(${JSON.stringify(`data:text/javascript,${LIVING}`)})`
    const thread = `new (require('node:worker_threads').Worker)(${living}, { argv: ['serve'] })`
    expect(await accountOf(thread, 'directory')).toEqual([])
  })
})

function firstCore(): string {
  const allowed = /^Cpus_allowed_list:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  if (allowed === undefined) throw new Error('Linux does not say which cores there are')
  return allowed
}
