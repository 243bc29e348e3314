import type { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSpoolTables } from '../../../src/spool/sqlite/tables.ts'
import { connectSpool } from '../../../src/spool/sqlite/transaction.ts'

let database: DatabaseSync
let statements: string[]
beforeAll(async () => {
  database = (await connectSpool(':memory:', { waitMs: 0 })).database
  statements = []
  const noting = new Proxy(database, {
    get: (target, name) =>
      name === 'prepare'
        ? (sql: string) => {
            statements.push(sql)
            return target.prepare(sql)
          }
        : Reflect.get(target, name, target),
  })
  createSpoolTables(noting)
})
afterAll(() => database.close())

const stepsOf = (sql: string): string[] => {
  const rows = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()
  return rows.map(({ detail }) => String(detail))
}

describe('the time a step takes', () => {
  it('does not grow with what waits or has died', () => {
    expect(statements.length).toBeGreaterThan(30)
    const scans = statements.flatMap((sql) =>
      stepsOf(sql).filter((step) => /^SCAN (waiting|row|dead_letters)\b/.test(step)),
    )
    // The one that counts dead letters, and ends at a hundred thousand of them.
    expect(scans).toEqual([expect.stringContaining('SCAN dead_letters USING COVERING INDEX')])
    expect(statements.filter((sql) => /FROM dead_letters LIMIT 100000\b/.test(sql))).toHaveLength(1)
  })

  it('does not grow with what is behind, or waits for others, where it is looked at what goes before a row', () => {
    const lookedAt = statements.filter((sql) => sql.includes('json_each(organizations)')).flatMap(stepsOf)
    expect(lookedAt.filter((step) => step.startsWith('SEARCH waiting USING COVERING INDEX'))).toEqual([
      expect.stringContaining('(mailbox_id=?)'),
      expect.stringContaining('(mailbox_id=? AND organizations>?)'),
      expect.stringContaining('(mailbox_id=? AND organizations=? AND <expr>>? AND <expr><?)'),
    ])
  })

  it('does not grow with the payloads, where many heads are looked at', () => {
    const lists = statements.filter((sql) => /FROM mailboxes AS box WHERE box.(depth|id > )/.test(sql))
    expect(lists).toHaveLength(3)
    const searches = lists.flatMap((sql) => stepsOf(sql).filter((step) => /^SEARCH (waiting|dead_letters) /.test(step)))
    expect(searches).toHaveLength(6)
    expect(searches.filter((step) => !step.includes('USING COVERING INDEX'))).toEqual([])
  })
})
