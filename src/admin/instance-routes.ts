import { z } from 'zod'
import type { DirectoryChange } from '../directory/change.ts'
import { fromStore } from './from-store.ts'
import { route, type Route } from './route.ts'

export interface InstanceRoutesParts {
  readonly databaseId: () => Promise<string>
  readonly directoryVersion: () => Promise<number>
  readonly directoryChanged: (change: DirectoryChange) => void
}

/** For a command on the same machine: whether this is the gateway whose database it has been given. */
export function instanceRoutes({ databaseId, directoryVersion, directoryChanged }: InstanceRoutesParts): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/instance',
      summary: 'Which database this gateway is at work on',
      writes: false,
      responses: { 200: { description: 'Its mark', body: z.object({ database: z.string() }) } },
      handle: async () => ({ status: 200, body: { database: await fromStore(databaseId()) } }),
    }),
    route({
      method: 'post',
      path: '/api/directory/refresh',
      summary: 'Asks the database again for all that is remembered of the directory, after an import past this API',
      writes: false,
      responses: { 204: { description: 'Nothing older is used from now on' } },
      async handle() {
        directoryChanged({ version: await fromStore(directoryVersion()), what: { kind: 'all' } })
        return { status: 204 }
      },
    }),
  ]
}
