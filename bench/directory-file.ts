import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import type { DirectoryStore } from '../src/directory/store.ts'

/** How many of each there are: workspaces of an ordinary size have two organizations. */
export interface DirectorySize {
  readonly integrations: number
  readonly organizations: number
  readonly links: number
}

/** The rows of a large directory, as the lines of an import file; the same each time. */
export function* directoryLines({ integrations, organizations, links }: DirectorySize): Generator<string> {
  for (let id = 1; id <= organizations; id++) {
    const row = { id, slug: `org-${id}`, name: `Organization ${id}`, region: `region-${id % 8}`, status: 'active' }
    yield JSON.stringify({ organizations: row })
  }
  for (let id = 1; id <= integrations; id++) {
    const row = { id, provider: 'slack', app_id: '', external_id: externalId(id), name: `Workspace ${id}` }
    yield JSON.stringify({ integrations: { ...row, status: id % 50 === 0 ? 'disabled' : 'active' } })
  }
  for (let link = 0; link < links; link++) {
    // Each organization once before any is linked again, so that no link stands there twice.
    const row = { integration_id: (link % integrations) + 1, organization_id: (link % organizations) + 1 }
    yield JSON.stringify({ organization_integrations: { ...row, status: 'active' } })
  }
}

/** The external id of the workspace with this number. */
export function externalId(id: number): string {
  return `T${String(id).padStart(9, '0')}`
}

/** So many of each, as an import leaves them. */
export async function fill(store: DirectoryStore, integrations: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-bench-'))
  try {
    const file = join(folder, 'directory.ndjson')
    const lines = directoryLines({ integrations, organizations: integrations, links: integrations })
    await writeFile(file, Readable.from(lines.map((line) => `${line}\n`)))
    await store.importFile(file, { author: 'bench' })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** `node bench/directory-file.ts 1000000 > directory.ndjson`: so many integrations, twice as many of everything else. */
async function main(argument: string | undefined): Promise<void> {
  const integrations = Number(argument ?? 1_000_000)
  const rest = 2 * integrations
  let page = ''
  for (const line of directoryLines({ integrations, organizations: rest, links: rest })) {
    page += `${line}\n`
    if (page.length < 65_536) continue
    if (!process.stdout.write(page)) await once(process.stdout, 'drain')
    page = ''
  }
  process.stdout.write(page)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(process.argv[2])
}
