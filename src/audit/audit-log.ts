import type { Clock } from '../clock.ts'
import type { Connections } from '../database/connections.ts'
import { readAudit, recordAudit, type AuditEntry, type AuditSchema } from './audit.ts'

/** Who changed what, as the database has it. Every method rejects when the database cannot be asked. */
export interface AuditLog {
  /** For what is changed elsewhere than in the tables of the database's own transaction. */
  record(entry: Omit<AuditEntry, 'id' | 'at'>): Promise<void>
  /** The newest first, at most `limit`, those before `beforeId`. */
  read(page: { limit: number; beforeId?: number | undefined }): Promise<AuditEntry[]>
}

export function createAuditLog<Schema>(
  connections: Pick<Connections<Schema>, 'lookUps' | 'writes'>,
  { clock }: { clock: Clock },
): AuditLog {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the same database, whose migrations made it
  const { lookUps, writes } = connections as unknown as Connections<AuditSchema>
  return {
    record: (entry) => writes.transaction().execute((trx) => recordAudit(trx, { ...entry, at: clock.now() })),
    read: (page) => readAudit(lookUps, page),
  }
}
