import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SIGNING_SECRET } from './test-gateway.ts'

export const checkout = fileURLToPath(new URL('../..', import.meta.url))
const main = join(checkout, 'src/main.ts')

export interface Run {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export type Variables = Readonly<Record<string, string | undefined>>

/** One line of the log of a running gateway. */
export type LogLine = Readonly<Record<string, unknown>>

/** `serve`, started and perhaps not serving yet. */
export interface StartedProcess {
  signal(name: NodeJS.Signals): void
  /** Resolves with the first line of the log, from the start on, that says this and has not been waited for. */
  logged(message: string): Promise<LogLine>
  readonly ended: Promise<Run>
}

export interface ServeProcess extends StartedProcess {
  readonly port: number
  readonly adminPort: number
}

/** A folder to run command lines in, with their files; everything started there ends with it. */
export interface Workplace {
  readonly folder: string
  write(name: string, content: string): Promise<string>
  /** Runs the CLI to its end, with just these variables. */
  cli(args: readonly string[], env?: Variables): Promise<Run>
  /**
   * The same in a shell, its stdout piped into another command, and its stderr too where that is said; `exitCode` and
   * `stderr` are the CLI's own.
   */
  cliInto(reader: string, args: readonly string[], env?: Variables, options?: { stderr?: boolean }): Promise<Run>
  /** Starts `serve` on free ports and does not wait for it. */
  startServe(env?: Variables, options?: { npm?: boolean }): StartedProcess
  /** Starts `serve` on free ports and resolves when it serves. Rejects with what it said when it ends before. */
  serve(env?: Variables, options?: { npm?: boolean }): Promise<ServeProcess>
  /** Ends what is still running. */
  stopAll(): Promise<void>
  /** Ends what is still running and removes the folder. */
  close(): Promise<void>
}

export async function openWorkplace(): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-cli-'))
  const running = new Set<{ child: ChildProcess; ended: Promise<Run> }>()

  const start = (command: string, args: readonly string[], options: { cwd: string; env: Variables }) => {
    // A group of its own: npm, its shell and node can then be ended together.
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const ended = new Promise<Run>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
    })
    const process = { child, ended, output: () => stdout }
    running.add(process)
    void ended.finally(() => running.delete(process))
    return process
  }
  const { PATH, HOME } = process.env
  const stopAll = async (): Promise<void> => {
    for (const { child, ended } of running) {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      await ended
    }
  }

  const startServe: Workplace['startServe'] = (env = {}, { npm = false } = {}) => {
    const variables = {
      PATH,
      HOME,
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: '0',
      SLACK_SIGNING_SECRETS: SIGNING_SECRET,
      REGIONS_FILE: join(folder, 'regions.yaml'),
      DATABASE_URL: `sqlite:${join(folder, 'silo-gateway.db')}`,
      ...env,
    }
    const { child, ended, output } = npm
      ? start('npm', ['run', '-s', 'gateway', '--', 'serve'], { cwd: checkout, env: variables })
      : start(process.execPath, [main, 'serve'], { cwd: folder, env: variables })

    let waitedFor = 0
    const next = (message: string): LogLine | undefined => {
      const lines = output().split('\n').slice(0, -1)
      const index = lines.findIndex((line, at) => at >= waitedFor && messageOf(line) === message)
      if (index < 0) return undefined
      waitedFor = index + 1
      return JSON.parse(lines[index] ?? '') as LogLine
    }
    const logged = (message: string) =>
      new Promise<LogLine>((resolve, reject) => {
        const look = (): void => {
          const line = next(message)
          if (line === undefined) return
          child.stdout?.off('data', look)
          resolve(line)
        }
        child.stdout?.on('data', look)
        void ended.then(({ stdout, stderr }) => reject(new Error(`Ended without "${message}": ${stdout}${stderr}`)))
        look()
      })

    return { signal: (name) => void child.kill(name), logged, ended }
  }

  return {
    folder,
    async write(name, content) {
      const path = join(folder, name)
      await writeFile(path, content)
      return path
    },

    cli: (args, env = {}) =>
      start(process.execPath, [main, ...args], { cwd: folder, env: { PATH, HOME, ...env } }).ended,

    async cliInto(reader, args, env = {}, { stderr: withStderr = false } = {}) {
      const pipe = `{ "$@"${withStderr ? ' 2>&1' : ''}; echo "$?" >exit-code; } | ${reader}`
      const run = start('sh', ['-c', pipe, 'sh', process.execPath, main, ...args], {
        cwd: folder,
        env: { PATH, HOME, ...env },
      })
      const { stdout, stderr } = await run.ended
      return { exitCode: Number(await readFile(join(folder, 'exit-code'), 'utf8')), stdout, stderr }
    },

    startServe,
    async serve(env, options) {
      const started = startServe(env, options)
      const serving = await started.logged('Serving single-instance: nothing is shared with other gateways')
      return { ...started, port: portOf(serving['public']), adminPort: portOf(serving['admin']) }
    },
    stopAll,
    async close() {
      await stopAll()
      await rm(folder, { recursive: true })
    },
  }
}

function messageOf(line: string): unknown {
  return line.startsWith('{') ? (JSON.parse(line) as { msg?: unknown }).msg : undefined
}

function portOf(url: unknown): number {
  return Number(new URL(String(url)).port)
}
