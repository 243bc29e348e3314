import { z } from 'zod'
import { coreVariables } from '../config/environment.ts'
import { readTopology } from '../config/configuration.ts'
import { requireVariables } from '../config/required.ts'
import { followOrganization } from '../delivery/follow.ts'
import { linkedIntegrations } from '../directory/linked-integrations.ts'
import type { DirectoryStore } from '../directory/store.ts'
import { providers } from '../providers/index.ts'
import { createSealer } from '../spool/seal.ts'
import type { ExitCode, Process } from './process.ts'
import { findServer, type Server } from './server.ts'
import { COMMAND_LINE, withDirectory, withSpool } from './stores.ts'
import { readFleet } from './tell-gateways.ts'

/** To another region, held on the way or not; or released where it is. */
export type Move = { readonly to: string; readonly hold: boolean } | { readonly release: true }

/** What became of it, as `--json` prints it. */
interface Moved {
  readonly id: string
  readonly slug: string
  readonly region: string
  readonly epoch: number
  readonly held: boolean
  readonly moved_deliveries: number
  readonly warnings: readonly string[]
}

/** Somebody else may change the organization in between, but hardly again and again. */
const TRIES = 5

/** Moves, holds or releases an organization, and lets what waits for it follow. */
export async function moveOrganization(
  io: Process,
  id: string,
  move: Move,
  options: { json?: true | undefined },
): Promise<ExitCode> {
  return await withDirectory(async (store) => {
    const server = await findServer(io, store)
    const moved = server === undefined ? await moveInStore(io, store, id, move) : await moveByServer(server, id, move)
    if (moved === undefined) {
      io.stderr.write(`There is no organization ${id}.\n`)
      return 1
    }
    for (const warning of moved.warnings) io.stderr.write(`warning: ${warning}\n`)
    io.stdout.write(options.json === true ? `${JSON.stringify(moved)}\n` : `${sentence(moved)}\n`)
    return 0
  })
}

function sentence({ id, slug, region, epoch, held, moved_deliveries: moved }: Moved): string {
  const where = `Organization ${id} ${slug} lives in ${region}, moved ${epoch} times.`
  const followed = ` ${moved} waiting ${moved === 1 ? 'delivery has' : 'deliveries have'} followed.`
  return `${where}${followed}${held ? ` It is held: its events wait until "directory move ${id} --release".` : ''}`
}

/** What is to be changed of the organization; without a hold it stays as it is. */
function changesOf(move: Move): { readonly region?: string; readonly held?: boolean } {
  if ('release' in move) return { held: false }
  return { region: move.to, ...(move.hold && { held: true }) }
}

const organization = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  region: z.string(),
  status: z.string(),
  epoch: z.int(),
  held: z.boolean(),
})
const changed = organization.extend({
  moved_deliveries: z.int().default(0),
  warnings: z.array(z.string()).default([]),
})

async function moveByServer(server: Server, id: string, move: Move): Promise<Moved | undefined> {
  const path = `/api/organizations/${id}`
  for (let left = TRIES; left > 0; left--) {
    const now = await server.ask('GET', path, { allow: [404] })
    if (now.status === 404) return undefined
    const body = { ...organization.parse(now.body), ...changesOf(move) }
    const headers = { 'If-Match': now.headers.etag ?? '*' }
    const written = await server.ask('PUT', path, { body, headers, allow: [412] })
    if (written.status === 412) continue
    const { name: _name, status: _status, ...moved } = changed.parse(written.body)
    return moved
  }
  throw alwaysAnother(id)
}

async function moveInStore(io: Process, store: DirectoryStore, id: string, move: Move): Promise<Moved | undefined> {
  const { SPOOL_KEYS } = requireVariables(coreVariables.pick({ SPOOL_KEYS: true }))
  const tellFleet = readFleet(io)
  for (let left = TRIES; left > 0; left--) {
    const now = await store.editor.organization(id)
    if (now === undefined) return undefined
    const { version: is, epoch: _epoch, ...row } = now
    const written = await store.editor.putOrganization(
      { ...row, ...changesOf(move) },
      { author: COMMAND_LINE, precondition: { kind: 'version', is } },
    )
    if (written.kind !== 'written') continue
    if (written.change !== undefined) await tellFleet(written.change)
    const { slug, region, epoch, held } = written.row
    const integrations = await linkedIntegrations(store.editor, id)
    const followed = await withSpool((spool) =>
      followOrganization(
        { id, before: now, after: written.row, integrations },
        { spool, sealer: createSealer(SPOOL_KEYS) },
      ),
    )
    const later = followed.busy + followed.unreadable
    const warnings = [
      ...unknownRegion(region),
      ...(later > 0 ? [`${later} more deliveries cannot be moved right now, and follow when tried next`] : []),
    ]
    return { id, slug, region, epoch, held, moved_deliveries: followed.moved, warnings }
  }
  throw alwaysAnother(id)
}

/** As the gateway would warn; where there is no regions file to be read, nobody can tell. */
function unknownRegion(region: string): string[] {
  const reading = readTopology({ definitions: providers })
  return reading.ok && !reading.topology.byName.has(region) ? [`${region} is not in the regions file`] : []
}

function alwaysAnother(id: string): Error {
  return new Error(`organization ${id} is being changed by somebody else: try again`)
}
