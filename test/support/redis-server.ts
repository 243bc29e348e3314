import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findProgram, startServer, whetherToTest, type ServerProcess } from './server-process.ts'

const program = findProgram('redis-server')

/** False where Redis is not installed, which is said; with `CI` set that is an error instead. */
export const testsRedis = (): boolean => whetherToTest(program, 'Redis')

export interface RedisServer extends ServerProcess {
  /** As `REDIS_URL` has it. */
  readonly url: string
  /** What it answers to a command, such as `run('CONFIG', 'SET', 'maxmemory', '1')`. */
  run(...command: [string, ...string[]]): Promise<unknown>
  /** Lets it stand still with its connections open, until `resume`. */
  pause(): void
  resume(): void
  /** Ends it. */
  close(): Promise<void>
}

/** Keeps nothing on disk; `settings` are options of redis.conf, such as `['maxmemory', '1mb']`. */
export async function startRedis(settings: readonly (readonly [string, string])[] = []): Promise<RedisServer> {
  if (program === undefined) throw new Error('Redis is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const server = await startServer({
    command: program,
    args: (port) =>
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'].concat(
        settings.flatMap(([name, value]) => [`--${name}`, value]),
      ),
    answers: answersPing,
  })
  const url = `redis://127.0.0.1:${server.port}`
  return {
    ...server,
    url,
    async run(...[name, ...args]) {
      const client = new Redis(url)
      try {
        return await client.call(name, ...args)
      } finally {
        client.disconnect()
      }
    },
    pause: () => void process.kill(server.pid(), 'SIGSTOP'),
    resume: () => void process.kill(server.pid(), 'SIGCONT'),
    async close() {
      await server.stop('SIGKILL')
      rmSync(folder, { recursive: true })
    },
  }
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.on('error', () => resolve(false))
    socket.on('data', (bytes) => {
      socket.destroy()
      resolve(/^(\+PONG|-NOAUTH)/.test(bytes.toString()))
    })
  })
}
