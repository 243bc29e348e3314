import { z } from 'zod'
import type { AuditEntry } from '../audit/audit.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { idOut, isoTime, pageOf, paging, readPage } from './fields.ts'
import { fromStore } from './from-store.ts'
import { route, type Route } from './route.ts'

const entryOut = z.object({
  id: idOut,
  at: isoTime,
  author: z.string().describe('Who, and from where.'),
  action: z.string().describe('Such as `organization.move`.'),
  subject: z.string().describe('Such as `organization 10`.'),
  details: z.record(z.string(), z.unknown()).describe('What it was changed from and to.'),
})

export type AuditEntryOut = z.output<typeof entryOut>

export function auditRoutes({ audit }: { readonly audit: Pick<AuditLog, 'read'> }): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/audit',
      summary: 'Who changed what, the newest first',
      writes: false,
      query: z.strictObject(paging),
      responses: { 200: { description: 'A page of entries', body: pageOf(entryOut) } },
      async handle({ query }) {
        const { rows, next_cursor } = await readPage(
          query,
          z.int(),
          ({ id }: AuditEntry) => id,
          ({ limit, after }) => fromStore(audit.read({ limit, beforeId: after })),
        )
        const items = rows.map(({ id, at, ...entry }) => ({ id: String(id), at: new Date(at).toISOString(), ...entry }))
        return { status: 200, body: { items, next_cursor } }
      },
    }),
  ]
}
