import { systemClock } from '../clock.ts'
import { readTopology } from '../config/configuration.ts'
import { ImportRefused } from '../directory/import-file.ts'
import type { DirectoryStore } from '../directory/store.ts'
import { providers } from '../providers/index.ts'
import { createImportProgress } from './import-progress.ts'
import type { ExitCode, Process } from './process.ts'
import { findServer } from './server.ts'
import { COMMAND_LINE, withDirectory } from './stores.ts'
import { readFleet } from './tell-gateways.ts'

export async function importDirectory(io: Process, file: string, options: { json?: true }): Promise<ExitCode> {
  const topology = readTopology({ definitions: providers })
  if (!topology.ok) io.stderr.write(`warning: the regions are not checked: ${topology.faults[0]}\n`)
  const tellFleet = readFleet(io)
  return await withDirectory<ExitCode>(async (store) => {
    const progress = createImportProgress(io.stderr, systemClock)
    try {
      const { counts, change } = await store
        .importFile(file, {
          author: COMMAND_LINE,
          knownProviders: new Set(providers.map(({ name }) => name)),
          ...(topology.ok && { knownRegions: new Set(topology.topology.byName.keys()) }),
          onWarning: (warning) => void io.stderr.write(`warning: ${warning}\n`),
          onProgress: (at) => progress.show(at),
        })
        .finally(() => progress.end())
      if (change !== undefined) {
        await tellFleet(change)
        await tellServer(io, store)
      }
      const { integrations, organizations, organization_integrations: links } = counts
      io.stdout.write(
        options.json === true
          ? `${JSON.stringify(counts)}\n`
          : `Imported ${integrations} integrations, ${organizations} organizations and ${links} links.\n`,
      )
      return 0
    } catch (error) {
      if (!(error instanceof ImportRefused)) throw error
      for (const fault of error.faults) io.stderr.write(`${fault}\n`)
      io.stderr.write('Nothing was imported.\n')
      return 1
    }
  })
}

export async function exportDirectory(io: Process, options: { ndjson?: true }): Promise<ExitCode> {
  return await withDirectory<ExitCode>(async (store) => {
    await store.exportTo(io.stdout, options.ndjson === true ? 'ndjson' : 'json')
    return 0
  })
}

export async function getFromDirectory(
  io: Process,
  externalId: string,
  { provider = providers[0].name, app: appId, json }: { provider?: string; app: string; json?: true },
): Promise<ExitCode> {
  return await withDirectory<ExitCode>(async (store) => {
    const found = await store.inspect({ by: 'external', provider, appId, externalId })
    if (found === undefined) {
      io.stderr.write(
        `No integration of ${provider} has the external id ${externalId}; if those of several apps do, --app names one.\n`,
      )
      return 1
    }
    if (json === true) {
      io.stdout.write(`${JSON.stringify(found)}\n`)
      return 0
    }
    const { integration, organizations } = found
    io.stdout.write(`integration ${integration.id} ${integration.name} (${integration.status})\n`)
    for (const { id, slug, region, epoch, status, linkStatus } of organizations) {
      const disabled = [status === 'disabled' && 'disabled', linkStatus === 'disabled' && 'link disabled']
      const marks = disabled.filter((mark) => mark !== false).join(', ')
      const note = marks === '' ? '' : ` (${marks})`
      io.stdout.write(`  organization ${id} ${slug} in ${region}, moved ${epoch} times${note}\n`)
    }
    const active = organizations.filter(({ status, linkStatus }) => status === 'active' && linkStatus === 'active')
    if (active.length === 0) io.stdout.write('  no active organization\n')
    return 0
  })
}

/** A gateway without Redis remembers what it has read until it is told, or too old. */
async function tellServer(io: Process, store: DirectoryStore): Promise<void> {
  const server = await findServer(io, store)
  await server?.ask('POST', '/api/directory/refresh').catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    io.stderr.write(`warning: it is imported, but ${reason}: it sees this once what it remembers is too old\n`)
  })
}
