import type { Ran } from './run-schedules.ts'

const words = (text: string): string[] => text.split(/\s+/)
const each = (family: string, names: string): string[] => names.split(', ').map((name) => `${family}:${name}`)
const pairs = (kinds: string[], on: readonly string[]): string[] =>
  kinds.flatMap((kind) => on.map((surface) => `pair:${kind}/${surface}`))

const surfaces = words('event command action view options')

/** What must have happened in at least one schedule, or the simulation has ceased to look at it. */
export const expected: readonly string[] = [
  ...pairs(['answers', 'refuses what it gets', 'rejects us', 'fails'], surfaces),
  ...pairs(words('refused no_connection reset hang half'), surfaces),
  ...pairs(words('outage region_state paused move hold clock_jump directory_away answers_unheard'), surfaces),
  ...pairs(words('store_gone append_fails settle_fails slow_store crash drain suspended'), surfaces),
  ...pairs(words('outage_refuses outage_hangs outage_resets outage_503 outage_401 outage_422'), words('event action')),
  ...pairs(words('post_200 post_404 post_429 post_500 post_503'), words('command action')),
  ...pairs(words('post_hang post_reset post_refused post_no_connection'), words('command action')),
  ...each('append', 'waiting stored, waiting duplicate, waiting full, held stored, held duplicate, held full'),
  ...each('append', 'dead stored, dead duplicate'),
  ...each('next', 'row, empty, held, paused, claimed'),
  ...each('settled', 'held delivered, held dead, held again, held delivered too late, held again too late'),
  ...each('settled', 'mailbox delivered, mailbox dead, mailbox again, mailbox moved'),
  ...each('followed', 'gateway, command, all but what is being sent'),
  ...each('settled', 'mailbox delivered too late, mailbox again too late'),
  ...each('dead', 'http_400, http_409, http_410, http_413, http_415, http_422, poison, too_old'),
  ...each('resumed', 'by hand, refused'),
  ...each('owed', 'owed, posting, not ours to post, not posted, paid'),
  ...each('ending', 'posted, nothing_to_say, failed_told, unknown_told, post_unknown, post_refused, post_gave_up'),
  ...each('ending', 'taken_over, too_late'),
  ...each('takeover', 'answer waiting, answer ready, answer posting'),
  ...each('takeover', 'mailbox of one that is dead, mailbox of one that is suspended'),
  ...each('crash', 'right after append, right after next, right after settle, right after owe, right after posting'),
  ...each('suspended', 'right after append, right after next, right after settle, right after posting'),
  ...each('lease', 'lapsed and renewed'),
  ...each('breaker', 'closed to open, open to half_open, half_open to closed, half_open to open'),
  ...each('dedup', 'joined, stored'),
  ...each('drain', 'whole, cut, without a store'),
  ...each('answered', 'passed_on, spooled, late, told_failure, duplicate, silo_client_error, body_timeout'),
]

/** In how many schedules each thing happened, a family a line; what a fault met on a surface as a table of its own. */
export function tableOf({ schedules, coverage }: Ran): string {
  const families = Map.groupBy(
    [...coverage].sort(([a], [b]) => (a < b ? -1 : 1)),
    ([what]) => what.slice(0, what.indexOf(':')),
  )
  const lines = [`${schedules} schedules; in how many of them each thing happened:`]
  for (const [family, all] of families) {
    if (family === 'pair' || family === 'fault') continue
    lines.push(`  ${family}: ${all.map(([what, count]) => `${what.slice(family.length + 1)} ${count}`).join(', ')}`)
  }
  lines.push(`  ${'fault or behaviour'.padEnd(24)}${['any', ...surfaces].map((name) => name.padStart(9)).join('')}`)
  for (const [what] of families.get('fault') ?? []) {
    const kind = what.slice('fault:'.length)
    const counts = [what, ...surfaces.map((surface) => `pair:${kind}/${surface}`)]
    lines.push(`  ${kind.padEnd(24)}${counts.map((one) => String(coverage.get(one) ?? '-').padStart(9)).join('')}`)
  }
  return `${lines.join('\n')}\n`
}
