import { LEASE_MS, LETTERS_COUNTED } from '../spool.ts'
import { SUM_OF_OPEN } from './known.ts'

/** One that a connection parses and plans once. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/** Where a row stands among the others of its mailbox; written as the index has it. */
const PLACE = 'coalesce(place, id)'
/** Of the organizations of a row, which may be too many for an index; written as that has it. */
const SET = 'hashtextextended(organizations, 0)'

/** 64 bits, which a JavaScript number has not. */
const INTEGRATION = 'box.integration_id::text AS integration'

export const ADDRESS = `box.provider, ${INTEGRATION}, box.installation, box.region`

/**
 * What leases are measured on, in milliseconds: the database's clock, so that machines need not agree; `parameter` has
 * the time instead where a test gives one. Of the statement, not of its transaction, which may have waited for a lock.
 */
export const timeOf = (parameter: string): string =>
  `coalesce(${parameter}::bigint, floor(extract(epoch from statement_timestamp()) * 1000)::bigint)`

/**
 * Whether an instance may be at work: the one that asks, or one whose lease is good. What ends further ahead than any
 * lease was given by a clock that has been set back; twice as far, since this statement may be older than that lease.
 */
const isAlive = (instance: string, self: string, time: string): string =>
  `(${instance} IS NOT NULL AND (${instance} = ${self} OR EXISTS (SELECT 1 FROM instances AS lease
    WHERE lease.id = ${instance} AND lease.lease_until > ${timeOf(time)}
      AND lease.lease_until <= ${timeOf(time)} + ${2 * LEASE_MS})))`

// What has moved in before a head since it was claimed has a later id, and does not make it less of one.
const isHead = `NOT EXISTS (SELECT 1 FROM waiting AS earlier WHERE earlier.mailbox_id = row.mailbox_id
  AND coalesce(earlier.place, earlier.id) < coalesce(row.place, row.id) AND earlier.id < row.id)`

const rowColumns = `id, delivery, dedup_key, organizations, received_at, spooled_at, held_by, attempts,
  answered_failures, failing_ms, retry_at, asked, key_id, payload`

const openColumns = `box.id, ${ADDRESS}, box.paused, box.depth, head.retry_at`
const openMailboxes = `FROM mailboxes AS box LEFT JOIN LATERAL
  (SELECT retry_at, spooled_at, attempts FROM waiting WHERE mailbox_id = box.id ORDER BY ${PLACE}, id LIMIT 1)
  AS head ON true`
const isOpen = '(box.depth > 0 OR box.paused IS NOT NULL)'

const addressesOf = (first: number): string =>
  `unnest($${first}::bigint[], $${first + 1}::text[], $${first + 2}::text[], $${first + 3}::text[])
    AS address (integration_id, provider, installation, region)`

const letterColumns = `mailbox_id, region, came, delivery, dedup_key, organizations, received_at, died_at, reason,
  attempts, size, key_id, payload`

const texts = {
  // In the order of their ids, which is that of everybody: two transactions never wait for each other.
  lock: `SELECT box.id, ${ADDRESS}, box.paused, box.owner, box.fence FROM mailboxes AS box
    WHERE box.id IN (SELECT unnest($1::bigint[])
      UNION SELECT mailbox_id FROM waiting WHERE id = ANY ($2::bigint[])
      UNION SELECT found.id FROM mailboxes AS found
        JOIN ${addressesOf(3)} USING (integration_id, provider, installation, region))
    ORDER BY box.id FOR UPDATE`,
  // Those that somebody has made meanwhile are not returned.
  create: `INSERT INTO mailboxes AS box (integration_id, provider, installation, region)
    SELECT * FROM ${addressesOf(1)} ORDER BY integration_id, provider, installation, region
    ON CONFLICT DO NOTHING
    RETURNING box.id, ${ADDRESS}, box.paused, box.owner, box.fence`,
  removeMailboxes: 'DELETE FROM mailboxes WHERE id = ANY ($1::bigint[])',
  mailboxesOf: `SELECT id FROM mailboxes WHERE provider = $1 AND (integration_id = $2::bigint
    OR (integration_id = 0 AND installation = ANY ($3::text[])))`,

  // Touched, so that whoever takes back what was given up (`unstore`) sees that somebody relies on it.
  prepare: `WITH twin AS (
      UPDATE waiting AS row SET spooled_at = row.spooled_at
      FROM unnest($1::text[], $2::text[]) AS new (dedup_key, region)
      WHERE row.dedup_key = new.dedup_key AND row.region = new.region
      RETURNING row.dedup_key, row.region, row.organizations
    ), used AS (SELECT region, bytes FROM spool_usage WHERE region = ANY ($3::text[]) ORDER BY region FOR UPDATE)
    SELECT dedup_key, region, organizations, 0 AS bytes FROM twin UNION ALL SELECT NULL, region, NULL, bytes FROM used`,
  insert: `INSERT INTO waiting (mailbox_id, region, place, delivery, dedup_key, organizations, received_at, spooled_at,
      held_by, attempts, answered_failures, failing_ms, retry_at, asked, size, key_id, payload)
    SELECT mailbox_id, region, place, delivery, dedup_key, organizations, received_at, spooled_at,
      CASE WHEN held THEN $17::text END, attempts, answered_failures, failing_ms, retry_at, asked,
      octet_length(payload), key_id, payload
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
      $8::bigint[], $9::boolean[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
      $15::text[], $16::bytea[])
      WITH ORDINALITY AS new (mailbox_id, region, place, delivery, dedup_key, organizations, received_at, spooled_at,
        held, attempts, answered_failures, failing_ms, retry_at, asked, key_id, payload, nth)
    ORDER BY nth
    ON CONFLICT (dedup_key, region) DO NOTHING
    RETURNING id, mailbox_id, region, dedup_key, size`,
  insertLetters: `INSERT INTO dead_letters (${letterColumns})
    SELECT mailbox_id, region, nextval('waiting_id_seq'), delivery, dedup_key, organizations, received_at, $11::bigint,
      reason, attempts, octet_length(payload), key_id, payload
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[],
      $9::text[], $10::bytea[])
      WITH ORDINALITY AS new (mailbox_id, region, delivery, dedup_key, organizations, received_at, reason, attempts,
        key_id, payload, nth)
    ORDER BY nth
    ON CONFLICT (dedup_key, region) DO NOTHING
    RETURNING id, dedup_key, region`,
  // Regions in the order of their names, and always after mailboxes.
  count: `WITH usage AS (
      INSERT INTO spool_usage AS used (region, bytes)
      SELECT * FROM unnest($6::text[], $7::bigint[]) AS new (region, bytes) ORDER BY region
      ON CONFLICT (region) DO UPDATE SET bytes = used.bytes + excluded.bytes
    )
    UPDATE mailboxes AS box
    SET depth = box.depth + new.depth, bytes = box.bytes + new.bytes, owner = new.owner, fence = new.fence
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
      AS new (id, depth, bytes, owner, fence)
    WHERE box.id = new.id
    RETURNING box.id, box.depth`,

  // A claim without a mailbox is a held row's.
  deliver: `DELETE FROM waiting AS row USING unnest($1::bigint[], $2::bigint[]) AS claim (id, mailbox_id)
    WHERE row.id = claim.id
      AND CASE WHEN claim.mailbox_id IS NULL THEN row.held_by = $3 ELSE row.mailbox_id = claim.mailbox_id END
    RETURNING row.id, row.mailbox_id, row.region, row.size`,
  again: `UPDATE waiting AS row SET held_by = NULL, attempts = claim.attempts,
      answered_failures = claim.answered_failures, failing_ms = claim.failing_ms, retry_at = claim.retry_at,
      asked = claim.asked
    FROM unnest($1::bigint[], $2::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
      AS claim (id, mailbox_id, attempts, answered_failures, failing_ms, retry_at, asked)
    WHERE row.id = claim.id
      AND CASE WHEN claim.mailbox_id IS NULL THEN row.held_by = $3 ELSE row.mailbox_id = claim.mailbox_id END
    RETURNING row.id`,
  claimed: `SELECT row.id FROM waiting AS row JOIN unnest($1::bigint[], $2::bigint[]) AS claim (id, mailbox_id)
      ON row.id = claim.id
    WHERE CASE WHEN claim.mailbox_id IS NULL THEN row.held_by = $3 ELSE row.mailbox_id = claim.mailbox_id END`,
  remove: 'DELETE FROM waiting WHERE id = ANY ($1::bigint[]) RETURNING id, mailbox_id, region, size',
  retryAt: `UPDATE waiting AS row SET retry_at = new.retry_at, asked = 0 FROM unnest($1::bigint[], $2::bigint[])
      AS new (id, retry_at) WHERE row.id = new.id`,
  organizations: `UPDATE waiting AS row SET organizations = new.organizations
    FROM unnest($1::bigint[], $2::text[]) AS new (id, organizations) WHERE row.id = new.id`,

  // Of what another works on no payload is read.
  heads: `SELECT box.id AS mailbox_id, box.is_claimed, head.*, ${isAlive('head.held_by', '$2', '$3')} AS is_held,
      (SELECT lease_until - ${timeOf('$3')} FROM instances
        WHERE id = coalesce(head.held_by, box.owner) AND id <> $2) AS for_ms
    FROM (SELECT id, paused, owner, owner IS DISTINCT FROM $2 AND ${isAlive('owner', '$2', '$3')} AS is_claimed
      FROM mailboxes WHERE id = ANY ($1::bigint[])) AS box
    LEFT JOIN LATERAL (SELECT ${rowColumns} FROM waiting
      WHERE mailbox_id = box.id AND NOT box.is_claimed AND box.paused IS NULL ORDER BY ${PLACE}, id LIMIT 1)
      AS head ON true`,
  unhold: 'UPDATE waiting SET held_by = NULL WHERE id = ANY ($1::bigint[])',

  // What waits, by its id or by what no two rows share, and whether it is just being sent.
  standing: `SELECT row.id, row.mailbox_id, row.region, row.dedup_key, row.organizations,
      coalesce(row.place, row.id) AS place, row.spooled_at,
      ${isAlive('row.held_by', '$4', '$5')} OR (${isAlive('box.owner', '$4', '$5')} AND ${isHead}
        AND (box.owner = $4 AND box.id = (SELECT mailbox_id FROM waiting WHERE id = $6::bigint)) IS NOT TRUE)
        AS is_being_sent
    FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
    WHERE row.id IN (SELECT unnest($1::bigint[]) UNION SELECT twin.id
      FROM unnest($2::text[], $3::text[]) AS sought (dedup_key, region) JOIN waiting AS twin USING (dedup_key, region))`,

  bury: `INSERT INTO dead_letters (${letterColumns})
    SELECT row.mailbox_id, row.region, coalesce(row.place, row.id), row.delivery, row.dedup_key, row.organizations,
      row.received_at, $4::bigint, dying.reason, dying.attempts, row.size, row.key_id, row.payload
    FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY AS dying (id, reason, attempts, nth)
      JOIN waiting AS row USING (id)
    ORDER BY dying.nth
    ON CONFLICT (dedup_key, region) DO NOTHING`,
  // One dead letter tells of a webhook that was not delivered as well as two, for the organizations of both.
  lettersOfRows: `SELECT letter.id, letter.organizations, row.organizations AS more FROM waiting AS row
    JOIN dead_letters AS letter USING (dedup_key, region)
    WHERE row.id = ANY ($1::bigint[]) AND letter.organizations <> row.organizations`,
  lettersAt: `SELECT letter.id, letter.dedup_key, letter.region, letter.organizations FROM dead_letters AS letter
    JOIN unnest($1::text[], $2::text[]) AS sought (dedup_key, region) USING (dedup_key, region)`,
  letterOrganizations: `UPDATE dead_letters AS letter SET organizations = new.organizations
    FROM unnest($1::bigint[], $2::text[]) AS new (id, organizations) WHERE letter.id = new.id`,
  removeLetters: 'DELETE FROM dead_letters WHERE id = ANY ($1::bigint[]) RETURNING id',
  removeOldLetters: `DELETE FROM dead_letters WHERE id IN
    (SELECT id FROM dead_letters WHERE died_at < $1::bigint ORDER BY died_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)
    RETURNING id`,
  letters: `SELECT id, mailbox_id, dedup_key, region, organizations FROM dead_letters WHERE id = ANY ($1::bigint[])`,
  revive: `INSERT INTO waiting (mailbox_id, region, delivery, dedup_key, organizations, received_at, spooled_at,
      attempts, answered_failures, failing_ms, retry_at, size, key_id, payload)
    SELECT mailbox_id, region, delivery, dedup_key, organizations, received_at, $2::bigint, 0, 0, 0, 0, size, key_id,
      payload
    FROM dead_letters WHERE id = ANY ($1::bigint[]) ORDER BY came, id
    ON CONFLICT (dedup_key, region) DO NOTHING
    RETURNING id, mailbox_id, region, dedup_key, size`,
  // Not what is being sent: a held row, or the head of a mailbox that somebody works on.
  old: `SELECT row.id, row.mailbox_id, row.attempts, row.delivery, row.region
    FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
    WHERE row.spooled_at < $1::bigint AND ($5::bigint[] IS NULL OR row.id = ANY ($5))
      AND NOT ${isAlive('row.held_by', '$3', '$4')}
      AND NOT (${isAlive('box.owner', '$3', '$4')} AND ${isHead})
    ORDER BY row.spooled_at, row.id LIMIT $2::bigint`,
  eraseRows: 'DELETE FROM waiting WHERE mailbox_id = ANY ($1::bigint[]) RETURNING mailbox_id, size',
  eraseLetters: 'DELETE FROM dead_letters WHERE mailbox_id = ANY ($1::bigint[]) RETURNING id',
  eraseAnswers: 'DELETE FROM owed_answers WHERE provider = $1 AND integration_id = $2::bigint RETURNING delivery',

  // Nobody has touched what still has the number of the transaction that it was stored in.
  unstore: `DELETE FROM waiting WHERE id = ANY ($1::bigint[]) AND xmin = $2::text::xid8::xid
    RETURNING id, mailbox_id, region, size`,
  unholdOwn: 'UPDATE waiting SET held_by = NULL WHERE id = ANY ($1::bigint[]) AND held_by = $2',
  // Waits for a transaction that may still be about to end.
  lastRenewal: 'SELECT xmin = $2::text::xid8::xid AS was_it FROM instances WHERE id = $1 FOR UPDATE',

  ownMailboxes: 'SELECT id FROM mailboxes WHERE owner = $1',
  giveBackRows: 'UPDATE waiting SET held_by = NULL WHERE held_by = $1',
  giveBackAnswers: 'UPDATE owed_answers SET owner = NULL WHERE owner = $1',
  endLease: 'DELETE FROM instances WHERE id = $1',

  pause: 'UPDATE mailboxes SET paused = $2 WHERE id = $1::bigint RETURNING id',
  open: `SELECT ${openColumns} ${openMailboxes} WHERE ${isOpen} ORDER BY box.id`,
  openAt: `SELECT ${openColumns} ${openMailboxes}
    JOIN ${addressesOf(1)} USING (integration_id, provider, installation, region) WHERE ${isOpen}`,
  sumOfOpen: `SELECT ${SUM_OF_OPEN}`,
  list: `SELECT ${openColumns}, box.bytes, head.spooled_at, head.attempts,
      (SELECT count(*) FROM dead_letters WHERE mailbox_id = box.id) AS dead_letters
    ${openMailboxes} WHERE box.id > $1::bigint AND (NOT $2::boolean OR ${isOpen}) ORDER BY box.id LIMIT $3::bigint`,
  usage: 'SELECT region, bytes FROM spool_usage WHERE bytes > 0',
  totals: `SELECT region, sum(depth)::bigint AS depth, sum(bytes)::bigint AS bytes, min(spooled_at) AS oldest,
      count(paused) AS paused
    FROM (SELECT box.region, box.depth, box.bytes, box.paused, head.spooled_at ${openMailboxes} WHERE ${isOpen}) AS open
    GROUP BY region`,
  deadLetters: `SELECT region, count(*) AS letters
    FROM (SELECT region FROM dead_letters LIMIT ${LETTERS_COUNTED}) AS letter GROUP BY region`,
  // Who waits in a mailbox is few, and often the same, organizations: of all others' rows none is looked at.
  waitingFor: `WITH RECURSIVE asked AS (
      SELECT (SELECT id FROM mailboxes
          WHERE integration_id = $1::bigint AND provider = $2 AND installation = $3 AND region = $4) AS mailbox,
        coalesce((SELECT ${PLACE} FROM waiting WHERE id = $5::bigint), 0) AS after,
        CASE WHEN $6::bigint IS NULL THEN 9223372036854775807
          ELSE coalesce((SELECT ${PLACE} FROM waiting WHERE id = $6::bigint), 0) END AS before
    ), sets AS (
      (SELECT ${SET} AS hash, organizations FROM waiting WHERE mailbox_id = (SELECT mailbox FROM asked)
        ORDER BY ${SET} LIMIT 1)
      UNION ALL
      SELECT next.* FROM sets CROSS JOIN LATERAL (
        SELECT ${SET}, organizations FROM waiting
        WHERE mailbox_id = (SELECT mailbox FROM asked) AND ${SET} > sets.hash ORDER BY ${SET} LIMIT 1) AS next
    )
    SELECT ${rowColumns} FROM waiting WHERE id IN (
      SELECT row.id FROM sets CROSS JOIN LATERAL (
        SELECT id, ${PLACE} AS place FROM waiting
        WHERE mailbox_id = (SELECT mailbox FROM asked) AND ${SET} = sets.hash
          AND ${PLACE} > (SELECT after FROM asked) AND ${PLACE} < (SELECT before FROM asked)
        ORDER BY ${PLACE}, id LIMIT $8::bigint) AS row
      WHERE sets.organizations::jsonb ? $7
      ORDER BY row.place, row.id LIMIT $8::bigint)
    ORDER BY ${PLACE}, id`,

  owe: `INSERT INTO owed_answers (delivery, provider, integration_id, received_at, owner, state, posts,
      request_key_id, request, message_key_id, message)
    SELECT delivery, provider, integration_id, received_at, $9,
      CASE WHEN message IS NULL THEN 'waiting' ELSE 'ready' END, 0, request_key_id, request, message_key_id, message
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::text[], $8::bytea[])
      AS new (delivery, provider, integration_id, received_at, request_key_id, request, message_key_id, message)
    ON CONFLICT DO NOTHING RETURNING delivery`,
  posting: `UPDATE owed_answers AS answer SET state = 'posting', posts = posts + 1, message_key_id = new.key_id,
      message = new.message
    FROM unnest($2::text[], $3::text[], $4::bytea[]) AS new (delivery, key_id, message)
    WHERE answer.delivery = new.delivery AND owner = $1 RETURNING answer.delivery`,
  unposted: `UPDATE owed_answers SET state = 'ready'
    WHERE delivery = ANY ($2::text[]) AND owner = $1 AND state = 'posting'`,
  paid: 'DELETE FROM owed_answers WHERE delivery = ANY ($2::text[]) AND owner = $1',
  // What somebody else is just taking over is passed over.
  takeOver: `UPDATE owed_answers SET owner = $1 WHERE delivery IN (SELECT delivery FROM owed_answers
      WHERE NOT ${isAlive('owner', '$1', '$2')} FOR UPDATE SKIP LOCKED)
    RETURNING delivery, provider, integration_id::text AS integration, received_at, state, posts, request_key_id,
      request, message_key_id, message`,
} as const

/** Every statement of the spool but those that a filter makes. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same names
export const statements = Object.fromEntries(
  Object.entries(texts).map(([name, text]) => [name, { name: `spool_${name}`, text }]),
) as Record<keyof typeof texts, Statement>
