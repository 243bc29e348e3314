import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { endWithUs } from './end-with-us.ts'
import { freePort } from './ports.ts'

/** A database server, as a process of its own on a port of its own that stays the same when it is started again. */
export interface ServerProcess {
  readonly port: number
  readonly pid: () => number
  /** Ends it by a signal and waits for the end; its data stays. */
  stop(signal: NodeJS.Signals): Promise<void>
  /** Starts it again, and waits until it answers. */
  start(): Promise<void>
}

interface Described {
  readonly command: string
  readonly args: (port: number) => readonly string[]
  readonly user?: { uid: number; gid: number } | undefined
  readonly answers: (port: number) => Promise<boolean>
}

/** How long a server may take to answer on a machine that is busy. */
const START_MS = 60_000

export async function startServer({ command, args, user, answers }: Described): Promise<ServerProcess> {
  const port = await freePort()
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const started = spawn(command, args(port), { stdio: ['ignore', 'pipe', 'pipe'], ...user })
    let said = ''
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
    }
    child = started
    endWithUs(started)
    const giveUpAt = performance.now() + START_MS
    while (!(await answers(port))) {
      if (started.exitCode !== null || performance.now() > giveUpAt)
        throw new Error(`${command} does not start: ${said}`)
    }
  }

  await start()
  return {
    port,
    pid: () => child?.pid ?? 0,
    async stop(signal) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill(signal)
      await closed
    },
    start,
  }
}

/** The program's path, from PATH or these folders; undefined where it is not installed. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const all = [...(process.env['PATH'] ?? '').split(delimiter), ...folders]
  return all.map((folder) => join(folder, name)).find(isExecutable)
}

/** For what refuses to run as root: another user to run as, where we are root. */
export function unprivileged(name: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const idOf = (option: string): number => Number(execFileSync('id', [option, name], { encoding: 'utf8' }))
  return { uid: idOf('-u'), gid: idOf('-g') }
}

/**
 * Whether tests that need a server are to be run: with `CI` set they are, and fail where it is not installed; else a
 * line says why they are skipped.
 */
export function whetherToTest(program: string | undefined, what: string): boolean {
  if (program !== undefined) return true
  if (process.env['CI'] === 'true') throw new Error(`${what} is not installed, and CI tests with it`)
  console.log(`skipped, since ${what} is not installed`)
  return false
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
