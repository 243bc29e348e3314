import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { findProgram, startServer, unprivileged, whetherToTest, type ServerProcess } from './server-process.ts'

// Debian keeps the server's programs out of PATH, a folder a version.
const DEBIAN = '/usr/lib/postgresql'
const folders = existsSync(DEBIAN) ? readdirSync(DEBIAN).map((version) => join(DEBIAN, version, 'bin')) : []
const postgres = findProgram('postgres', folders)
const initdb = findProgram('initdb', folders)

/** False where PostgreSQL is not installed, which is said; with `CI` set that is an error instead. */
export const testsPostgres = (): boolean => whetherToTest(postgres && initdb, 'PostgreSQL')

export interface PostgresServer extends ServerProcess {
  /** An empty database; returns its `DATABASE_URL`. */
  createDatabase(): Promise<string>
  /** Ends it and removes its data. */
  close(): Promise<void>
}

/** `durable: false`: no sync, for tests that end no server. `sharedBuffers`: as PostgreSQL writes sizes. */
export async function startPostgres({
  durable = false,
  sharedBuffers = '128MB',
}: { durable?: boolean; sharedBuffers?: string } = {}): Promise<PostgresServer> {
  if (postgres === undefined || initdb === undefined) throw new Error('PostgreSQL is not installed')
  const user = unprivileged('postgres')
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  execFileSync(initdb, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], {
    stdio: 'ignore',
    ...user,
  })
  const lazy = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']
  const settings = [`unix_socket_directories=${folder}`, 'max_connections=200', `shared_buffers=${sharedBuffers}`]
  if (!durable) settings.push(...lazy)
  const server = await startServer({
    command: postgres,
    args: (port) => [
      '-D',
      data,
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      ...settings.flatMap((setting) => ['-c', setting]),
    ],
    user,
    answers: async (port) => (await ask(port, 'select 1')) === undefined,
  })
  let databases = 0
  return {
    ...server,
    async createDatabase() {
      const name = `test_${(databases += 1)}`
      const error = await ask(server.port, `create database ${name}`)
      if (error !== undefined) throw error
      return `postgres://postgres@127.0.0.1:${server.port}/${name}`
    },
    async close() {
      // Its data goes with it: nothing needs to be written.
      await server.stop('SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function ask(port: number, sql: string): Promise<Error | undefined> {
  const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(sql)
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    await client.end().catch(() => {})
  }
}
