import { execFile, fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { imageStart } from './image-start.ts'

/** The gateway is measured as it is shipped. */
const gateway = imageStart(join(import.meta.dirname, '..'))

/** Where a bench plays: a folder and processes that are gone when it is left, however that comes about. */
export interface Stage {
  readonly folder: string
  /** A file of this folder as a process of its own, which serves on one port or several, and prints them in a line. */
  startServer(file: string, ...args: string[]): Promise<StartedServer>
  /** An installed program, as the leader of its process group: all of it ends with the stage. Returns its pid. */
  startProgram(path: string, ...args: string[]): number
  /** A file of this folder, to be asked things. */
  employ<Question, Answer>(file: string): Helper<Question, Answer>
  /** The built gateway, serving; its files are those of `furnish`. */
  serve(env: GatewayEnv): Promise<ServingGateway>
  leave(): Promise<void>
}

export interface RunningServer {
  readonly pid: number
  readonly url: string
  /** What it has put on V8's heap so far. Undefined: nobody knows; the stage must keep the account. */
  readonly allocatedBytes?: () => Promise<number | undefined>
  stop?(): Promise<void>
}

export interface StartedServer extends RunningServer {
  /** One for each of its ports; the first is its `url`. */
  readonly urls: readonly string[]
}

/** Does one thing at a time for the bench, in a process of its own. */
export interface Helper<Question, Answer> {
  readonly pid: number
  ask(question: Question): Promise<Answer>
}

export interface ServingGateway extends RunningServer {
  readonly startedInMs: number
  /** Drains and ends it. Rejects where it did not end well. */
  stop(): Promise<void>
}

export type GatewayEnv = Readonly<Record<string, string | undefined>>

/** `nodeArgs`: for the gateway's process, as `--cpu-prof`. `heapAccount`: of servers and the gateway. */
export function openStage({
  nodeArgs = [],
  heapAccount = false,
}: { nodeArgs?: readonly string[]; heapAccount?: boolean } = {}): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'silo-gateway-bench-'))
  const children = new Set<ChildProcess>()
  const keep = <Child extends ChildProcess>(child: Child): Child => {
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const leaders = new Set<ChildProcess>()
  const preload = heapAccount ? ['--import', pathToFileURL(join(import.meta.dirname, 'heap-account.ts')).href] : []
  const leave = async (): Promise<void> => {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    const gone = [...children].map((child) => once(child, 'exit'))
    for (const child of children) {
      // A master that is killed leaves its workers behind.
      if (leaders.has(child)) process.kill(-pidOf(child), 'SIGKILL')
      else child.kill('SIGKILL')
    }
    await Promise.all(gone)
    rmSync(folder, { recursive: true, force: true })
  }
  const interrupted = (): void => void leave().then(() => process.exit(130))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)

  return {
    folder,
    async startServer(file, ...args) {
      const path = join(import.meta.dirname, file)
      const child = keep(
        spawn(process.execPath, [...preload, path, ...args], {
          env: { ...process.env, NODE_ENV: 'production' },
          stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        }),
      )
      const ports = await new Promise<string>((resolve, reject) => {
        child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
        child.once('exit', (code) => reject(new Error(`${file} ended with ${code} instead of serving`)))
      })
      const urls = ports.split(' ').map((port) => `http://127.0.0.1:${port}`)
      return {
        pid: pidOf(child),
        url: urls[0]!,
        urls,
        ...(heapAccount && { allocatedBytes: asker(child) }),
      }
    },
    startProgram(path, ...args) {
      const child = keep(spawn(path, args, { stdio: ['ignore', 'ignore', 'inherit'], detached: true }))
      leaders.add(child)
      return pidOf(child)
    },
    employ<Question, Answer>(file: string): Helper<Question, Answer> {
      const child = keep(
        fork(join(import.meta.dirname, file), {
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
          // In JSON a NaN would arrive as null, which is no more than any limit.
          serialization: 'advanced',
        }),
      )
      return {
        pid: pidOf(child),
        ask: (question) =>
          new Promise<Answer>((resolve, reject) => {
            const died = (): void => reject(new Error(`${file} has died`))
            child.once('exit', died)
            child.once('message', (answer) => {
              child.off('exit', died)
              resolve(answer as Answer)
            })
            child.send(question as object)
          }),
      }
    },
    async serve(env) {
      const began = performance.now()
      const child = keep(
        spawn(process.execPath, [...preload, ...nodeArgs, ...gateway, 'serve'], {
          env,
          stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        }),
      )
      const exited = once(child, 'exit')
      const url = await new Promise<string>((resolve, reject) => {
        let text = ''
        const read = (chunk: Buffer): void => {
          text += chunk.toString()
          const found = /"public":"(http:[^"]+)"/.exec(text)?.[1]
          if (found === undefined) return
          child.stdout?.off('data', read).resume()
          resolve(found)
        }
        child.stdout?.on('data', read)
        child.once('exit', (code) => reject(new Error(`The gateway ended with ${code} instead of serving: ${text}`)))
      })
      return {
        pid: pidOf(child),
        url,
        startedInMs: performance.now() - began,
        ...(heapAccount && { allocatedBytes: asker(child) }),
        async stop() {
          child.kill('SIGTERM')
          const [code] = await exited
          if (code !== 0) throw new Error(`The gateway ended with ${code}`)
        },
      }
    },
    leave,
  }
}

/** Writes a gateway's files into a folder and imports its directory. Returns the environment to serve with. */
export async function furnish(
  folder: string,
  { regions, directory, env }: { regions: string; directory: object; env: GatewayEnv },
): Promise<GatewayEnv> {
  const regionsFile = join(folder, 'regions.yaml')
  writeFileSync(regionsFile, regions)
  const directoryFile = join(folder, 'directory.json')
  writeFileSync(directoryFile, JSON.stringify(directory))
  const furnished = {
    PATH: process.env['PATH'],
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    LOG_SAMPLE: '0.01',
    REGIONS_FILE: regionsFile,
    DATABASE_URL: `sqlite:${databaseIn(folder)}`,
    ...env,
  }
  await promisify(execFile)(process.execPath, [...gateway, 'directory', 'import', directoryFile], { env: furnished })
  return furnished
}

function asker(child: ChildProcess): () => Promise<number | undefined> {
  return async () => {
    const told = once(child, 'message')
    child.send('allocated')
    const [bytes] = await told
    return bytes ?? undefined
  }
}

export function databaseIn(folder: string): string {
  return join(folder, 'gateway.db')
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('The process did not start')
  return child.pid
}
