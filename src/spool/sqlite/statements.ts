import type { DatabaseSync } from '../../database/sqlite.ts'
import { LETTERS_COUNTED } from '../spool.ts'

type Statement = ReturnType<DatabaseSync['prepare']>
export type Value = null | number | bigint | string | Uint8Array

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the columns are what the statement beside it selects
export const rowsOf = <Row>(rows: unknown[]): Row[] => rows as Row[]
export const all = <Row>(statement: Statement, ...values: Value[]): Row[] => rowsOf<Row>(statement.all(...values))
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- like the two above
export const one = <Row>(statement: Statement, ...values: Value[]): Row | undefined =>
  rowsOf<Row>([statement.get(...values)])[0]
export const changes = (result: ReturnType<Statement['run']>): boolean => Number(result.changes) > 0

/** Where a row stands among the others of its mailbox; written as the index has it. */
const PLACE = 'coalesce(place, id)'

/** 64 bits, which a JavaScript number has not. */
export const INTEGRATION = 'CAST(box.integration_id AS text) AS integration'

export type Statements = ReturnType<typeof prepareStatements>

/** Everything that the spool says to SQLite, prepared once. `row` and `box` stand for what waits and its mailbox. */
export function prepareStatements(database: DatabaseSync) {
  const head = (column: string): string =>
    `(SELECT ${column} FROM waiting WHERE mailbox_id = box.id ORDER BY ${PLACE}, id LIMIT 1) AS ${column}`
  const columns = `box.id, box.provider, ${INTEGRATION}, box.installation, box.region, box.paused, box.depth`
  // What has moved in before a head since it was claimed has a later id, and does not make it less of one.
  const earlier = `SELECT 1 FROM waiting AS earlier WHERE earlier.mailbox_id = row.mailbox_id
    AND coalesce(earlier.place, earlier.id) < coalesce(row.place, row.id) AND earlier.id < row.id`
  const sending = `row.mailbox_id, row.held_by, box.owner, NOT EXISTS (${earlier}) AS is_head`
  const rowColumns = `id, delivery, dedup_key, organizations, received_at, spooled_at, held_by, attempts,
    answered_failures, failing_ms, retry_at, asked, key_id, cast(payload as blob) payload`
  const goodLeases = 'SELECT id FROM instances WHERE lease_until > ? AND lease_until <= ?'
  const statements = {
    leaseOf: 'SELECT lease_until FROM instances WHERE id = ?',
    renew: `INSERT INTO instances (id, lease_until) VALUES (?, ?)
      ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until`,
    endLease: 'DELETE FROM instances WHERE id = ?',
    giveBackMailboxes: 'UPDATE mailboxes SET owner = NULL WHERE owner = ?',
    giveBackRows: 'UPDATE waiting SET held_by = NULL WHERE held_by = ?',
    giveBackAnswers: 'UPDATE owed_answers SET owner = NULL WHERE owner = ?',

    mailboxAt: `SELECT id FROM mailboxes
      WHERE integration_id = ? AND provider = ? AND installation = ? AND region = ?`,
    newMailbox: 'INSERT INTO mailboxes (integration_id, provider, installation, region) VALUES (?, ?, ?, ?)',
    mailbox: 'SELECT paused, owner, fence FROM mailboxes WHERE id = ?',
    claim: 'UPDATE mailboxes SET owner = ?, fence = ? WHERE id = ?',
    release: 'UPDATE mailboxes SET owner = NULL WHERE id = ? AND owner = ? AND fence = ?',
    releaseOwn: 'UPDATE mailboxes SET owner = NULL WHERE id = ? AND owner = ?',
    pause: 'UPDATE mailboxes SET paused = ? WHERE id = ?',
    countInMailbox: 'UPDATE mailboxes SET depth = depth + ?, bytes = bytes + ? WHERE id = ?',
    countInRegion: `INSERT INTO spool_usage (region, bytes) VALUES (?, ?)
      ON CONFLICT (region) DO UPDATE SET bytes = bytes + excluded.bytes`,
    usage: 'SELECT region, bytes FROM spool_usage WHERE bytes > 0',
    totals: `SELECT region, sum(depth) AS depth, sum(bytes) AS bytes, min(spooled_at) AS oldest, count(paused) AS paused
      FROM (SELECT box.region, box.depth, box.bytes, box.paused, ${head('spooled_at')}
        FROM mailboxes AS box WHERE box.depth > 0 OR box.paused IS NOT NULL)
      GROUP BY region`,
    deadLetters: `SELECT region, count(*) AS letters
      FROM (SELECT region FROM dead_letters LIMIT ${LETTERS_COUNTED}) GROUP BY region`,
    usageOf: 'SELECT bytes FROM spool_usage WHERE region = ?',
    open: `SELECT ${columns}, ${head('retry_at')}
      FROM mailboxes AS box WHERE box.depth > 0 OR box.paused IS NOT NULL ORDER BY box.id`,
    openAt: `SELECT ${columns}, ${head('retry_at')} FROM mailboxes AS box
      WHERE box.integration_id = ? AND box.provider = ? AND box.installation = ? AND box.region = ?
        AND (box.depth > 0 OR box.paused IS NOT NULL)`,
    list: `SELECT ${columns}, box.bytes, ${head('retry_at')}, ${head('spooled_at')}, ${head('attempts')},
        (SELECT count(*) FROM dead_letters WHERE mailbox_id = box.id) AS dead_letters
      FROM mailboxes AS box WHERE box.id > ? AND (? = 0 OR box.depth > 0 OR box.paused IS NOT NULL)
      ORDER BY box.id LIMIT ?`,
    version: 'PRAGMA data_version',

    untouched: 'SELECT 1 FROM waiting WHERE id = ? AND delivery = ? AND place IS NULL',
    twinOf: `SELECT row.id, row.organizations, ${sending}
      FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
      WHERE row.dedup_key = ? AND row.region = ? AND row.id <> ?`,
    sending: `SELECT row.organizations, ${sending}
      FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id WHERE row.id = ?`,
    placeOf: `SELECT ${PLACE} AS place FROM waiting WHERE id = ?`,
    // Who waits in a mailbox is few, and often the same, organizations: of all others' rows none is looked at.
    waitingFor: `WITH RECURSIVE sets (organizations) AS (
        SELECT min(organizations) FROM waiting WHERE mailbox_id = :mailbox
        UNION ALL
        SELECT (SELECT min(organizations) FROM waiting WHERE mailbox_id = :mailbox AND organizations > sets.organizations)
        FROM sets WHERE organizations IS NOT NULL
      ), asked AS MATERIALIZED (
        SELECT organizations FROM sets WHERE EXISTS (SELECT 1 FROM json_each(organizations) WHERE value = :organization)
      )
      SELECT ${rowColumns} FROM waiting
      WHERE id IN (
        SELECT row.id FROM asked CROSS JOIN waiting AS row ON row.id IN (
          SELECT id FROM waiting
          WHERE mailbox_id = :mailbox AND organizations = asked.organizations AND ${PLACE} > :after AND ${PLACE} < :before
          ORDER BY ${PLACE}, id LIMIT :limit))
      ORDER BY ${PLACE}, id LIMIT :limit`,
    ownMailboxOf: `SELECT box.id FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
      WHERE row.id = ? AND box.owner = ?`,
    // Its place stays where it is; that it is written down tells `unstore` that somebody relies on the row.
    organizations: `UPDATE waiting SET organizations = ?, place = ${PLACE} WHERE id = ?`,
    retryAt: 'UPDATE waiting SET retry_at = ?, asked = 0 WHERE id = ?',
    newRow: `INSERT INTO waiting (mailbox_id, region, place, delivery, dedup_key, organizations, received_at, spooled_at,
        held_by, attempts, answered_failures, failing_ms, retry_at, asked, size, key_id, payload)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    head: `SELECT ${rowColumns} FROM waiting WHERE mailbox_id = ? ORDER BY ${PLACE}, id LIMIT 1`,
    heldRow: 'SELECT 1 FROM waiting WHERE id = ? AND held_by = ?',
    claimedRow: `SELECT 1 FROM mailboxes AS box JOIN waiting AS row ON row.mailbox_id = box.id
      WHERE box.id = ? AND box.owner = ? AND box.fence = ? AND row.id = ?`,
    unhold: 'UPDATE waiting SET held_by = NULL WHERE id = ?',
    unholdOwn: 'UPDATE waiting SET held_by = NULL WHERE delivery = ? AND held_by = ?',
    again: `UPDATE waiting SET held_by = NULL, attempts = ?, answered_failures = ?, failing_ms = ?, retry_at = ?,
        asked = ? WHERE id = ?`,
    removeRow: `DELETE FROM waiting WHERE id = ? RETURNING mailbox_id, region, size, ${PLACE} AS place, spooled_at`,

    newestLetter: 'SELECT max(id) AS id FROM dead_letters',
    bury: `INSERT INTO dead_letters (mailbox_id, region, came, delivery, dedup_key, organizations, received_at, died_at,
        reason, attempts, size, key_id, payload)
      SELECT mailbox_id, region, ${PLACE}, delivery, dedup_key, organizations, received_at, ?, ?, ?, size, key_id,
        payload
      FROM waiting WHERE id = ?
      ON CONFLICT (dedup_key, region) DO NOTHING`,
    revive: `INSERT INTO waiting (mailbox_id, region, delivery, dedup_key, organizations, received_at, spooled_at,
        attempts, answered_failures, failing_ms, retry_at, size, key_id, payload)
      SELECT mailbox_id, region, delivery, dedup_key, organizations, received_at, ?, 0, 0, 0, 0, size, key_id, payload
      FROM dead_letters WHERE id = ?
      RETURNING mailbox_id, size`,
    letterOfRow: `SELECT letter.id, letter.organizations, row.organizations AS more FROM waiting AS row
      JOIN dead_letters AS letter ON letter.dedup_key = row.dedup_key AND letter.region = row.region WHERE row.id = ?`,
    letterFor: 'UPDATE dead_letters SET organizations = ? WHERE id = ?',
    removeLetter: 'DELETE FROM dead_letters WHERE id = ?',
    removeLetters: `DELETE FROM dead_letters
      WHERE id IN (SELECT id FROM dead_letters WHERE died_at < ? ORDER BY died_at LIMIT ?)`,

    // Not what is being sent: a held row, or the head of a mailbox that somebody works on.
    old: `SELECT row.id, row.attempts, row.delivery, row.region FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
      WHERE row.spooled_at < ?
        AND (row.held_by IS NULL OR row.held_by NOT IN (${goodLeases}))
        AND (box.owner IS NULL OR box.owner NOT IN (${goodLeases})
          OR EXISTS (${earlier}))
      ORDER BY row.spooled_at, row.id LIMIT ?`,

    mailboxesOf: 'SELECT id, region, bytes FROM mailboxes WHERE provider = ? AND integration_id = ?',
    unresolvedOf: `SELECT id, region, bytes FROM mailboxes
      WHERE integration_id = 0 AND provider = ? AND installation = ?`,
    eraseRows: 'DELETE FROM waiting WHERE mailbox_id = ?',
    eraseLetters: 'DELETE FROM dead_letters WHERE mailbox_id = ?',
    eraseMailbox: 'DELETE FROM mailboxes WHERE id = ?',
    eraseAnswers: 'DELETE FROM owed_answers WHERE provider = ? AND integration_id = ?',

    owe: `INSERT INTO owed_answers (delivery, provider, integration_id, received_at, owner, state, posts,
        request_key_id, request, message_key_id, message)
      VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
    posting: `UPDATE owed_answers SET state = 'posting', posts = posts + 1, message_key_id = ?, message = ?
      WHERE delivery = ? AND owner = ?`,
    unposted: "UPDATE owed_answers SET state = 'ready' WHERE delivery = ? AND owner = ? AND state = 'posting'",
    paid: 'DELETE FROM owed_answers WHERE delivery = ? AND owner = ?',
    takeOver: `UPDATE owed_answers SET owner = ?
      WHERE owner IS NULL OR owner <> ? AND owner NOT IN (${goodLeases})
      RETURNING delivery, provider, CAST(integration_id AS text) AS integration, received_at, state, posts,
        request_key_id, request, message_key_id, message`,
  } as const
  const prepared = Object.entries(statements).map(([name, text]) => [name, database.prepare(text)])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same names
  return Object.fromEntries(prepared) as Record<keyof typeof statements, Statement>
}
