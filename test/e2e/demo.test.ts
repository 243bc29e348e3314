import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDemo } from '../support/open-demo.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

interface Run {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `interruptAfter`: a text on stdout upon which the process is sent SIGINT. */
function runDemo(
  args: readonly string[],
  { interruptAfter, env: extra = {} }: { interruptAfter?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const { FORCE_COLOR: _, ...env } = process.env
    const child = spawn(process.execPath, [main, 'demo', ...args], {
      env: { ...env, ...extra },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    let interrupted = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (interruptAfter === undefined || interrupted || !stdout.includes(interruptAfter)) return
      interrupted = true
      child.kill('SIGINT')
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
}

describe('demo --for 3s --down eu', () => {
  let run: Run
  let lines: string[]
  let temporary: string

  beforeAll(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'demo-test-'))
    run = await runDemo(['--for', '3s', '--down', 'eu'], { env: { TMPDIR: temporary } })
    lines = run.stdout.split('\n')
  })

  afterAll(() => rm(temporary, { recursive: true }))

  const lineOf = (pattern: RegExp) => lines.find((line) => pattern.test(line))

  it('ends by itself with exit code 0 and nothing on stderr', () => {
    expect([run.exitCode, run.stderr]).toEqual([0, ''])
  })

  it.each([
    ['challenge', /^challenge .*local, the control silo answered \(url_verification\) +200 in \d+ ms \{"challenge"/],
    ['ssl_check', /^ssl_check .*local, the control silo answered \(ssl_check\) +200 in \d+ ms empty/],
    ['event', /^event +app_mention +first → us 200 \d+ ms +200 in \d+ ms empty/],
    ['command', /^command +\/acme status +first → us 200 \d+ ms +200 in \d+ ms "us got/],
    [
      'button click',
      /^action .* all +→ us 200 \d+ ms {2}eu connect_refused \d+ ms {2}ap 200 \d+ ms +200 in \d+ ms empty/,
    ],
    [
      'view submission',
      /^view .* all +→ us 200 \d+ ms {2}eu connect_refused \d+ ms {2}ap 200 \d+ ms +200 in \d+ ms \{"resp/,
    ],
    ['options load', /^options .* first → eu connect_refused \d+ ms +502 in \d+ ms eu: connect/],
    [
      'event that waits',
      /^event +link to globex +first → eu connect_refused \d+ ms +200 in \d+ ms empty, waits for eu$/,
    ],
  ])('tells of the %s: plan, regions, results and what Slack got', (_name, pattern) => {
    expect(lineOf(pattern), run.stdout).toBeDefined()
  })

  it('sums up, with what is still waiting', () => {
    expect(run.stdout).toMatch(/^\d still waiting for a region;/m)
    expect(run.stdout).toMatch(/\d+ sent, \d+ answered with 2xx, [1-9]\d* errors; median \d+ ms, longest \d+ ms\n$/)
  })

  it('keeps every line within 120 columns, without colours where there is no terminal', () => {
    expect(lines.filter((line) => line.length > 120)).toEqual([])
    expect(run.stdout).not.toContain('\u001b')
  })

  it('leaves no file behind', async () => {
    expect(await readdir(temporary)).toEqual([])
  })
})

describe('demo', () => {
  it('runs until it is interrupted, answered by every region that is asked, and exits 0', async () => {
    const { exitCode, stdout } = await runDemo([], { interruptAfter: 'options ' })
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^options .* first → eu 200 \d+ ms +200 in \d+ ms \{"options"/m)
    expect(stdout).toContain(', 0 errors;')
  })

  it('says where its console is, and takes another port when that is taken', async () => {
    const first = openDemo()
    const second = openDemo()
    const urls = [await first.consoleUrl(), await second.consoleUrl()]
    const sessions = await Promise.all(urls.map(async (url) => (await fetch(`${url}/api/session`)).json()))
    expect(sessions).toEqual([expect.objectContaining({ demo: true }), expect.objectContaining({ demo: true })])
    first.press('q')
    // Ctrl-C, as a terminal tells it that hands on each key.
    second.press('\u0003')
    expect(await Promise.all([first.exitCode, second.exitCode])).toEqual([0, 0])
  })

  it('knows its regions: another name for --down is one line on stderr and exit code 2', async () => {
    const { exitCode, stdout, stderr } = await runDemo(['--down', 'mars'])
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toBe('--down mars: there is no such region, take one of us, eu, ap\n')
  })
})

describe('the keys of the demo', () => {
  let output: string
  let exitCode: number

  beforeAll(async () => {
    const terminal = openDemo()
    const { press, seen } = terminal
    await seen(/kind/)
    press('s')
    await seen(/── us is fast$/)
    press('2')
    await seen(/event +link to globex +200 in \d+ ms empty, waits for eu$/)
    press('d')
    await seen(/retry +link to globex +200 in \d+ ms empty\n +a duplicate: no region is asked again$/)
    press('2')
    await seen(/mailbox +link to globex +delivered to eu on attempt \d+, .* after it came$/)
    await seen(/command +\/acme status +200 in \d+ ms "us got.*\n +first → us 200 [123]?\d?\d ms$/)
    press('s')
    await seen(/command +\/acme status +200 in \d+ ms "us got.*\n +first → us 200 [4-9]\d\d ms$/)
    press('l')
    await seen(/late +\/acme status +after 4\.\d s "us got \/acme status for organization 10"$/)
    press('q')
    exitCode = await terminal.exitCode
    output = terminal.output()
  }, 60_000)

  it('make a region fast or slow; switch one off and on: its events wait and are delivered; send one again; make answers late', () => {
    expect(output.match(/^── .*$/gm)).toEqual([
      '── us is fast',
      '── eu is switched off',
      '── eu is switched on again',
      '── us is slow: 400 ms',
      '── us is late: 4000 ms',
    ])
  })

  it('show what Slack was answered before what was posted to the response_url', () => {
    const story = /^command +\/acme status +200 in \d+ ms empty, answer owed\n +first → us 200 4\d\d\d ms$/m.exec(
      output,
    )
    expect(story?.index).toBeLessThan(output.search(/^late /m))
  })

  it('end it with q, whatever still waits for the region that is late', () => {
    expect(exitCode).toBe(0)
  })

  it('leave every line within the 80 columns of the terminal', () => {
    expect(output.split('\n').filter((line) => line.length > 80)).toEqual([])
  })
})

describe('a region that is off from the start', () => {
  it('comes back by itself, and gets what waited for it', async () => {
    const { seen, press, exitCode } = openDemo({ down: 'eu', downForMs: 2000 })
    await seen(/event +link to globex +200 in \d+ ms empty, waits for eu$/)
    await seen(/── eu is switched on again$/)
    await seen(/mailbox +link to globex +delivered to eu on attempt \d+, .* after it came$/)
    press('q')
    expect(await exitCode).toBe(0)
  }, 30_000)
})
