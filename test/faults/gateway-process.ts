import { spawn, type ChildProcess } from 'node:child_process'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { endWithUs } from '../support/end-with-us.ts'
import { freePort } from '../support/ports.ts'

export const gatewayProgram = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** A slow machine under load needs several seconds to start a process that takes one. */
const START_PATIENCE_MS = 30_000

export interface GatewayOptions {
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Modules that are loaded before the gateway's own, which knows nothing of them. */
  readonly preload: readonly string[]
  /** A command that runs the gateway's command line, given behind it. */
  readonly within?: readonly string[]
}

/** The gateway as a process, on the same port each time it is started. */
export interface GatewayProcess {
  readonly port: number
  readonly adminPort: number
  readonly pid: number
  readonly running: boolean
  /** Every line that any of its processes has logged. */
  readonly log: readonly string[]
  /** `more`: modules that are loaded before it from now on, besides those it was made with. */
  start(more?: readonly string[]): Promise<void>
  signal(name: NodeJS.Signals): void
  /** Resolves when the process has ended. */
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Kills it if it still runs, and waits for its end. */
  kill(): Promise<void>
}

export async function createGatewayProcess({
  folder,
  env,
  preload,
  within = [],
}: GatewayOptions): Promise<GatewayProcess> {
  const [port, adminPort] = [await freePort(), await freePort()]
  const { PATH, HOME } = process.env
  const log: string[] = []
  let child: ChildProcess | undefined
  let ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }> | undefined

  let modules = preload

  function launch(): ChildProcess {
    const imports = modules.flatMap((module) => ['--import', module])
    const whole = [...within, process.execPath, ...imports, gatewayProgram, 'serve']
    const command = whole[0] ?? process.execPath
    const args = whole.slice(1)
    const launched = spawn(command, args, {
      cwd: folder,
      env: { PATH, HOME, HOST: '127.0.0.1', PORT: String(port), ADMIN_PORT: String(adminPort), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [launched.stdout, launched.stderr]) {
      let rest = ''
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        log.push(...lines)
      })
    }
    endWithUs(launched)
    ended = new Promise((resolve, reject) => {
      launched.once('error', reject)
      launched.once('close', (code, signal) => resolve({ code, signal }))
    })
    return launched
  }
  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null

  return {
    port,
    adminPort,
    log,
    get pid() {
      if (child?.pid === undefined) throw new Error('The gateway has not been started')
      return child.pid
    },
    get running() {
      return isRunning()
    },
    async start(more = []) {
      modules = [...modules, ...more]
      child = launch()
      const giveUpAt = performance.now() + START_PATIENCE_MS
      while (!(await isReady(adminPort))) {
        if (!isRunning()) throw new Error(`The gateway ended while it started:\n${log.slice(-20).join('\n')}`)
        if (performance.now() > giveUpAt) throw new Error(`The gateway does not serve:\n${log.slice(-20).join('\n')}`)
        await sleep(20)
      }
    },
    signal: (name) => void child?.kill(name),
    ended: () => ended ?? Promise.reject(new Error('The gateway has not been started')),
    async kill() {
      if (child === undefined) return
      child.kill('SIGKILL')
      await ended
    },
  }
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request({ host: '127.0.0.1', port, path: '/health/ready', agent: false, timeout: 1000 }, (res) => {
      res.resume()
      resolve(res.statusCode === 200)
    })
    asking.on('error', () => resolve(false))
    asking.on('timeout', () => asking.destroy())
    asking.end()
  })
}
