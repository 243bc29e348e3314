import { directoryLines, planLines, requestLines } from '../explain/in-words.ts'
import type { DeliveryFacts } from './told.ts'

/** A delivery's story as a person reads it: the decision as it would be explained, and then what came of it. */
export function storyInWords(facts: DeliveryFacts): string[] {
  return [
    `delivery: ${facts.id}, received ${facts.received_at} by gateway ${facts.gateway}`,
    ...requestLines(facts),
    ...signatureLines(facts),
    ...directoryLines(facts),
    ...facts.regions.map((region) => regionLine(region, facts)),
    ...planLines(facts),
    ...facts.attempts.map(attemptLine),
    `outcome: ${outcomeLine(facts)}`,
    ...duplicateLines(facts),
    ...facts.later.map((attempt) => `${attemptLine(attempt)} (over ${attempt.at})`),
    ...facts.dead.map(({ region, reason, at }) => `dead letter: for ${region || 'its regions'}, ${at}: ${reason}`),
    ...lateLines(facts),
  ]
}

function signatureLines({ verified_by: by }: DeliveryFacts): string[] {
  if (by === null) return []
  const secret = by.fingerprint === null ? 'a secret' : `the secret ${by.fingerprint}`
  return [`signature: made with ${secret}${by.app_id === null ? '' : ` of app ${by.app_id}`}`]
}

function regionLine(
  { name, state, organizations, planned }: DeliveryFacts['regions'][number],
  { plan }: DeliveryFacts,
): string {
  const why = planned ? 'in' : plan?.kind === 'first' ? 'out: another is the first' : 'out'
  return `region: ${name} ${state ?? 'unknown'}, organizations ${organizations.join(', ')}, ${why}`
}

function attemptLine({ region, number, ...attempt }: DeliveryFacts['attempts'][number]): string {
  const { breaker, started_ms: started, slot_ms: slot, sent_ms: sent, first_byte_ms: first, ended_ms: ended } = attempt
  const steps = [
    `begun at ${ms(started)}`,
    ...(breaker === null ? [] : [`breaker ${breaker.replace('_', ' ')}`]),
    ...(slot === null || slot === started ? [] : [`waited ${ms(slot - started)} for its slot`]),
    ...(sent === null ? [] : [`sent at ${ms(sent)}`]),
    ...(first === null ? [] : [`first byte at ${ms(first)}`]),
    `ended at ${ms(ended)}`,
  ]
  return `attempt: ${region}, number ${number}: ${steps.join(', ')}: ${resultOf(attempt)}`
}

function resultOf({ result, status, cause }: Pick<DeliveryFacts['attempts'][number], 'result' | 'status' | 'cause'>) {
  if (result === 'answered') return `answered with ${status}`
  return cause === null ? result : `${result} (${cause})`
}

function outcomeLine({ status, answered_ms: at, running, ...facts }: DeliveryFacts): string {
  const goesOn = running ? '; a region was still being asked' : ''
  if (status === null) return `${facts.outcome}: the caller went away after ${ms(at)}${goesOn}`
  const from = facts.answered_from === null ? '' : ` by ${facts.answered_from}’s reply`
  return `${facts.outcome}: answered with ${status}${from} after ${ms(at)}${goesOn}`
}

function duplicateLines({ duplicates: { count, last_at: last }, duplicate_of: original }: DeliveryFacts): string[] {
  return [
    ...(original === null ? [] : [`duplicate: of ${original}`]),
    ...(count === 0 ? [] : [`duplicates: ${count}, the last ${last}`]),
  ]
}

function lateLines({ late_answer: late, outcome }: DeliveryFacts): string[] {
  if (late === null) return outcome === 'late' ? ['late answer: owed'] : []
  return [`late answer: ${late.result}${late.reason === null ? '' : ` (${late.reason})`}, ${late.at}`]
}

function ms(value: number): string {
  return `${Math.round(value * 10) / 10} ms`
}
