import { orphanOf, storedId, type AnswerColumns } from '../rows.ts'
import type { NewOwedAnswer, OrphanedAnswer, Sealed } from '../spool.ts'
import { goodLeases, type Moment } from './leases.ts'
import { all, changes, type Statements } from './statements.ts'

/** The answers that are owed, in the tables of SQLite. */
export function createOwedAnswerRows(sql: Statements) {
  return {
    owe(at: Moment, { delivery, provider, integration, receivedAt, request, message }: NewOwedAnswer): void {
      sql.owe.run(
        delivery,
        provider,
        storedId(integration),
        receivedAt,
        at.instance,
        message === undefined ? 'waiting' : 'ready',
        request.keyId ?? null,
        request.bytes,
        message?.keyId ?? null,
        message?.bytes ?? null,
      )
    },

    posting: (at: Moment, delivery: string, { keyId, bytes }: Sealed): boolean =>
      changes(sql.posting.run(keyId ?? null, bytes, delivery, at.instance)),

    unposted(at: Moment, delivery: string): void {
      sql.unposted.run(delivery, at.instance)
    },

    paid(at: Moment, delivery: string): void {
      sql.paid.run(delivery, at.instance)
    },

    takeOver(at: Moment): OrphanedAnswer[] {
      return all<AnswerColumns>(sql.takeOver, at.instance, at.instance, ...goodLeases(at)).map(orphanOf)
    },
  }
}
