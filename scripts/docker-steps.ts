/*
 * What the Dockerfile does, without a Docker engine: its own instructions run in a temporary folder, with the Node of
 * this checkout as the image's Node; then the image's command is started as the image's user, asked by the image's
 * health check whether it is ready, and stopped by the image's stop signal.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, delimiter, join, matchesGlob } from 'node:path'

const checkout = join(import.meta.dirname, '..')
const root = process.getuid?.() === 0

interface Stage {
  readonly folder: string
  workdir: string
  readonly env: Record<string, string>
  user: { uid: number; gid: number } | undefined
  healthcheck: string[]
  entrypoint: string[]
  command: string[]
  stopSignal: NodeJS.Signals
}

interface Build {
  readonly folder: string
  readonly path: string
  readonly stages: Map<string, Stage>
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
  console.log(`ok  ${what}`)
}

/** The instructions of a Dockerfile: a line each, with comments gone. */
function instructions(dockerfile: string): { name: string; rest: string }[] {
  return dockerfile
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
      return { name, rest }
    })
}

/** Whether the build context has this path: the last line of .dockerignore that speaks of it decides. */
function inContext(path: string): boolean {
  const speaks = (pattern: string) => matchesGlob(path, pattern) || matchesGlob(path, `${pattern}/**`)
  const lines = readFileSync(join(checkout, '.dockerignore'), 'utf8').split('\n')
  const last = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .findLast((line) => speaks(line.replace(/^!/, '')))
  return last === undefined || last.startsWith('!')
}

function copy(build: Build, stage: Stage, rest: string): void {
  const [, from, paths = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(rest) ?? []
  const sources = paths.split(' ')
  const target = sources.pop() ?? ''
  for (const source of sources) {
    if (from === undefined && !inContext(source)) throw new Error(`.dockerignore keeps ${source} from the build`)
    const place = join(from === undefined ? checkout : stageNamed(build, from).folder, source)
    cpSync(place, join(stage.folder, stage.workdir, target.endsWith('/') ? join(target, basename(source)) : target), {
      recursive: true,
      verbatimSymlinks: true,
    })
  }
}

function stageNamed({ stages }: Build, name: string): Stage {
  const stage = stages.get(name)
  if (stage === undefined) throw new Error(`no stage is called ${name}`)
  return stage
}

function run(build: Build, stage: Stage, command: string): void {
  console.log(`── RUN ${command}`)
  const { status } = spawnSync('sh', ['-c', command], {
    cwd: join(stage.folder, stage.workdir),
    env: { ...process.env, ...stage.env, PATH: build.path },
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error(`RUN ${command} ended with ${status}`)
}

const execForm = (json: string): string[] => JSON.parse(json) as string[]

function follow(build: Build, dockerfile: string): Stage {
  let stage: Stage | undefined
  for (const { name, rest } of instructions(dockerfile)) {
    if (name === 'FROM') {
      const [, image = '', as = ''] = /^(\S+) AS (\S+)$/.exec(rest) ?? []
      must(image === `node:${process.versions.node}-bookworm-slim`, `stage ${as} is on the Node of the tests: ${image}`)
      stage = {
        folder: join(build.folder, as),
        workdir: '/',
        env: {},
        user: undefined,
        healthcheck: [],
        entrypoint: [],
        command: [],
        stopSignal: 'SIGKILL',
      }
      build.stages.set(as, stage)
      continue
    }
    if (stage === undefined) throw new Error(`${name} before FROM`)
    obey(build, stage, name, rest)
  }
  if (stage === undefined) throw new Error('a Dockerfile without a stage')
  return stage
}

function obey(build: Build, stage: Stage, name: string, rest: string): void {
  switch (name) {
    case 'WORKDIR':
      stage.workdir = rest
      mkdirSync(join(stage.folder, rest), { recursive: true })
      return
    case 'ENV': {
      const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(rest) ?? []
      stage.env[key] = value
      return
    }
    case 'COPY':
      copy(build, stage, rest)
      return
    case 'RUN':
      run(build, stage, rest)
      return
    case 'USER': {
      const [uid, gid] = rest.split(':').map(Number)
      if (!Number.isInteger(uid) || !Number.isInteger(gid)) throw new Error(`USER ${rest} is not uid:gid`)
      stage.user = { uid: uid!, gid: gid! }
      return
    }
    case 'HEALTHCHECK':
      stage.healthcheck = execForm(rest.replace(/^.*?CMD /, ''))
      return
    case 'ENTRYPOINT':
      stage.entrypoint = execForm(rest)
      return
    case 'CMD':
      stage.command = execForm(rest)
      return
    case 'STOPSIGNAL':
      stage.stopSignal = rest as NodeJS.Signals
      return
    case 'VOLUME':
      must(existsSync(join(stage.folder, execForm(rest)[0] ?? '')), `the volume ${rest} is there before it is mounted`)
      return
    case 'EXPOSE':
      return
    default:
      throw new Error(`docker-steps does not know ${name} ${rest}`)
  }
}

/** A folder of programs that comes first on the path: the image's Node, and what only root may do. */
function programs(folder: string): string {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  copyFileSync(process.execPath, join(bin, 'node'))
  chmodSync(join(bin, 'node'), 0o755)
  if (!root) {
    console.log('Not root: chown is left out, and the gateway runs as the present user.')
    writeFileSync(join(bin, 'chown'), '#!/bin/sh\n', { mode: 0o755 })
  }
  return bin
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? String(address.port) : ''
}

async function exercise(image: Stage, folder: string, bin: string): Promise<void> {
  must(image.user !== undefined && image.user.uid !== 0, 'the image has a user, and it is not root')
  const workdir = join(image.folder, image.workdir)
  must(!existsSync(join(workdir, 'node_modules/vitest')), 'the image has no development dependencies')

  const imports = [
    "import 'silo-gateway'",
    "import { verifyForwarded } from 'silo-gateway/region-kit'",
    'verifyForwarded.name',
  ]
  const loaded = spawnSync(join(bin, 'node'), ['--input-type=module', '--eval', imports.join('\n')], { cwd: workdir })
  must(loaded.status === 0, 'the package and its region kit can be imported by name')

  const regions = join(folder, 'regions.yaml')
  writeFileSync(regions, 'version: 1\nregions:\n  - { name: eu, address: "http://127.0.0.1:9" }\n')
  const env = {
    ...image.env,
    PATH: `${bin}${delimiter}/usr/bin${delimiter}/bin`,
    HOST: '127.0.0.1',
    PORT: await freePort(),
    ADMIN_PORT: await freePort(),
    REGIONS_FILE: regions,
    SLACK_SIGNING_SECRETS: 'a-secret-for-these-steps',
  }
  const as = { cwd: workdir, env, ...(root ? image.user : {}) }
  const healthcheck = () => spawnSync(image.healthcheck[0]!, image.healthcheck.slice(1), as).status

  const [file = '', ...args] = [...image.entrypoint, ...image.command]
  const gateway = spawn(file, args, { ...as, stdio: 'inherit' })
  const ended = once(gateway, 'exit')
  try {
    // Each question starts a process, which is pause enough between two.
    const patience = performance.now() + 30_000
    while (healthcheck() !== 0) {
      if (gateway.exitCode !== null || performance.now() > patience) throw new Error('the gateway never became ready')
    }
    console.log('ok  the health check ends with 0 once the gateway is ready')

    if (process.platform === 'linux') {
      const tasks = `/proc/${gateway.pid}/task`
      const threads = readdirSync(tasks).map((thread) => readFileSync(`${tasks}/${thread}/comm`, 'utf8'))
      must(threads.filter((name) => name.includes('V8Worker')).length === 1, 'V8 has one helper thread')
    }

    const answer = await fetch(`http://127.0.0.1:${env.PORT}/slack/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'ssl_check=1',
    })
    must(answer.status === 200, 'the gateway answers an ssl_check')
    const page = await fetch(`http://127.0.0.1:${env.ADMIN_PORT}/`)
    must(page.status === 200 && (await page.text()).includes('/assets/'), 'the admin listener serves the console')
    must(existsSync(join(workdir, 'data/silo-gateway.db')), 'the directory is kept in the volume')

    gateway.kill(image.stopSignal)
    const [code] = (await ended) as [number | null]
    must(code === 0, `after ${image.stopSignal} the gateway ends with 0`)
    must(healthcheck() === 1, 'the health check ends with 1 once the gateway has stopped')
  } finally {
    gateway.kill('SIGKILL')
  }
}

using temporary = mkdtempDisposableSync(join(tmpdir(), 'docker-steps-'))
// The image's user has to get in.
chmodSync(temporary.path, 0o755)
const bin = programs(temporary.path)
const build: Build = {
  folder: temporary.path,
  path: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
  stages: new Map(),
}
const image = follow(build, readFileSync(join(checkout, 'Dockerfile'), 'utf8'))
await exercise(image, temporary.path, bin)
