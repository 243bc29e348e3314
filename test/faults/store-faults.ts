import { execFile, spawnSync } from 'node:child_process'
import { appendFile, mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Skipped, type Fault, type Form } from './fault.ts'
import { acceptedAt } from './ledger.ts'
import { teamEverywhere } from './teams.ts'
import type { World } from './world.ts'

const run = promisify(execFile)

/** How a store is broken; resolves to what mends it. */
type Break = (world: World) => Promise<() => Promise<void>>

/**
 * Breaks the store while events wait in it and their region refuses, then while it hangs, then while it is well again
 * and what waits could be delivered; and mends it.
 */
async function throughout(world: World, form: Form, breakStore: Break): Promise<void> {
  const { hurt } = world.regions
  // Each event may take the whole budget to be refused.
  const few = { perSurface: 1, perMailbox: form === 'full' ? 3 : 1 }
  await hurt.refuse()
  await world.wave(few)
  const mend = await breakStore(world)
  try {
    await world.wave(few)
    await hurt.heal()
    hurt.behave({ kind: 'hangs_before_headers' })
    await world.wave(few)
    await hurt.heal()
    await world.wave(few)
    // Longer than a lease, where there is time for it.
    await sleep(form === 'full' ? 6000 : 500)
  } finally {
    await mend()
  }
  await sleep(100)
  await Promise.all([world.recovered(), storesAgain(world)])
  await world.retryRefused()
  await world.wave()
}

/** Without a restart, the store works again: an event that has to be stored is accepted. */
async function storesAgain(world: World): Promise<void> {
  const { ledger, regions } = world
  await regions.hurt.refuse()
  const giveUpAt = performance.now() + 10_000
  while (acceptedAt(await world.send('event', teamEverywhere)) === undefined) {
    if (performance.now() > giveUpAt) {
      ledger.complaints.push('the store is well again, and 10 s later no event can be stored')
      break
    }
    await sleep(200)
  }
  await regions.hurt.heal()
}

/**
 * As root on ext4 and the like, files that cannot be written any more, even by who has them open. Not the one that is
 * shared memory: the system would end whoever writes to it, and no program can do anything about that.
 */
const readOnly: Break = async ({ store, gateway, ledger }) => {
  const files = (await readdir(store)).filter((name) => !name.endsWith('-shm')).map((name) => join(store, name))
  try {
    await run('chattr', ['+i', ...files])
    return async () => void (await run('chattr', ['-i', ...files]))
  } catch {
    ledger.notes.push('files cannot be made immutable here: all writes are forbidden by RLIMIT_FSIZE instead')
    return await limitFiles(gateway.pid, 0)
  }
}

/** No file may grow beyond this: what the system says to a write is another error than on a full disk, but it says no. */
async function limitFiles(pid: number, bytes: number): Promise<() => Promise<void>> {
  const limit = async (to: string): Promise<void> => {
    try {
      await run('prlimit', [`--pid=${pid}`, `--fsize=${to}`])
    } catch (error) {
      throw new Skipped(`prlimit does not work here: ${String(error).split('\n')[0]}`, { cause: error })
    }
  }
  await limit(`${bytes}:`)
  return () => limit('unlimited:')
}

const locked: Break = async ({ store }) => {
  const database = new DatabaseSync(join(store, 'silo-gateway.db'), { timeout: 5000 })
  database.exec('BEGIN EXCLUSIVE')
  return () => {
    database.exec('ROLLBACK')
    database.close()
    return Promise.resolve()
  }
}

const gone: Break = async ({ store, folder }) => {
  const elsewhere = join(folder, 'elsewhere')
  await mkdir(elsewhere)
  for (const file of await readdir(store)) await rename(join(store, file), join(elsewhere, file))
  return async () => {
    // What was made in its place meanwhile is not what is put back.
    for (const file of await readdir(store)) await rm(join(store, file))
    for (const file of await readdir(elsewhere)) await rename(join(elsewhere, file), join(store, file))
  }
}

const STORE_MB = 8

/** A small disk of the gateway's own, in a mount namespace that only it is in; undefined where none can be had. */
const ownMounts = [
  ['unshare', '--mount', '--propagation', 'private'],
  ['unshare', '--map-root-user', '--mount', '--propagation', 'private'],
].find(([command = '', ...args]) => spawnSync(command, [...args, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0)

function smallDisk(store: string): string[] {
  if (ownMounts === undefined) return []
  const mount = `mount -t tmpfs -o size=${STORE_MB}m tmpfs "$1" && cp "$2"/* "$1"/ && shift 2 && exec "$@"`
  const kept = join(dirname(store), 'kept')
  return [...ownMounts, 'sh', '-c', `mkdir "$2" && cp "$1"/* "$2"/ && ${mount}`, 'sh', store, kept]
}

const full: Break = async (world) => {
  const { store, gateway, ledger } = world
  if (ownMounts === undefined) {
    ledger.notes.push('no file system can be mounted here: files may not grow, by RLIMIT_FSIZE, instead')
    return await noMoreGrowth(world)
  }
  const disk = `/proc/${gateway.pid}/root${store}`
  const filler = join(disk, 'filler')
  const { bavail, bsize } = await statfs(disk)
  await appendFile(filler, Buffer.alloc(bavail * bsize)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOSPC') throw error
  })
  return () => rm(filler)
}

const noMoreGrowth: Break = async ({ gateway, store }) => {
  const { size } = await stat(join(store, 'silo-gateway.db-wal'))
  return await limitFiles(gateway.pid, size)
}

const broken = (name: string, breakStore: Break, more: Partial<Fault> = {}): Fault => ({
  name: `store ${name}`,
  run: (world, form) => throughout(world, form, breakStore),
  ...more,
  // Without a breaker the region is asked each time, and hangs.
  world: { entries: { breaker: { open_ms: 500, minimum_calls: 10_000 } }, ...more.world },
})

export const storeFaults: readonly Fault[] = [
  broken('read-only', readOnly),
  broken('full', full, { world: { within: smallDisk } }),
  broken('may not grow', noMoreGrowth, { fullOnly: true }),
  broken('locked', locked),
  broken('gone', gone),
]
