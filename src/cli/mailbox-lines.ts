import { LONGEST_WAIT_MS } from '../delivery/back-off.ts'
import type { DeadLetter, MailboxAddress, MailboxListing } from '../spool/spool.ts'

/** A line a mailbox, under a line of headings. `now` is unix milliseconds. */
export function mailboxLines(mailboxes: readonly MailboxListing[], now: number): string[] {
  return aligned([
    ['MAILBOX', 'PROVIDER', 'INTEGRATION', 'REGION', 'WAITING', 'SIZE', 'OLDEST', 'STATE', 'DEAD LETTERS'],
    ...mailboxes.map((mailbox) => [
      String(mailbox.id),
      ...whose(mailbox.address),
      String(mailbox.depth),
      size(mailbox.bytes),
      mailbox.oldestAt === undefined ? '-' : duration(now - mailbox.oldestAt),
      stateOf(mailbox, now),
      String(mailbox.deadLetters),
    ]),
  ])
}

export function deadLetterLines(letters: readonly DeadLetter[], now: number): string[] {
  return aligned([
    ['ID', 'MAILBOX', 'PROVIDER', 'INTEGRATION', 'REGION', 'REASON', 'ATTEMPTS', 'DIED', 'DELIVERY'],
    ...letters.map(({ id, mailbox, address, reason, attempts, diedAt, delivery }) => [
      String(id),
      String(mailbox),
      ...whose(address),
      reason,
      String(attempts),
      `${duration(now - diedAt)} ago`,
      delivery,
    ]),
  ])
}

function whose(address: MailboxAddress): [provider: string, integration: string, region: string] {
  switch (address.kind) {
    case 'region':
      return [address.provider, address.integration, address.region]
    case 'held':
      return [address.provider, address.integration, `held organization ${address.organization}`]
    case 'unresolved':
      return [address.provider, '-', `unresolved ${address.installation}`]
  }
}

function stateOf({ paused, isEmpty, retryAt }: MailboxListing, now: number): string {
  if (paused !== undefined) return `paused: ${paused}`
  if (isEmpty) return 'empty'
  // A wall clock that was wrong for a while may have written any time: nobody waits longer than this for it.
  const retryMs = Math.min(retryAt - now, LONGEST_WAIT_MS)
  return retryMs > 0 ? `retry in ${duration(retryMs)}` : 'waiting'
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
] as const

/** In the largest unit of which there are two, so that it is right to a half; clocks that disagree give `0 s`. */
function duration(ms: number): string {
  const [unit, name] = UNITS.find(([unit]) => ms >= 2 * unit) ?? [1000, 's']
  return `${Math.max(0, Math.round(ms / unit))} ${name}`
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

/** Columns as wide as their widest cell, two blanks apart. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map(onOneLine))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** A reason may be anybody's words: they neither break a line nor drive the terminal. */
function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
}
