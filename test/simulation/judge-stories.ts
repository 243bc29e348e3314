import type { Answered, Arrived, Called, Story } from './facts.ts'
import type { Failure } from './observer.ts'
import type { Schedule } from './schedule.ts'
import { APOLOGIES } from './virtual-provider.ts'

/** A delivery that nobody tries any more. */
export interface Letter {
  readonly delivery: string
  /** Empty: it was never known whose it is. */
  readonly region: string
  readonly reason: string
}

/** Slack has hung up by then: whatever is answered later is heard by nobody. */
const SLACK_WAITS_MS = 3000
const POISON_FAILURES = 8

/** What must be true of every webhook once nothing goes on any more. */
export function judgeStories(stories: readonly Story[], letters: readonly Letter[], schedule: Schedule): Failure[] {
  const failures: Failure[] = []
  for (const story of stories) {
    const fail = (broken: string, why: string): void => {
      failures.push({ broken, why: `${story.webhook.key} (${story.webhook.surface}): ${why}` })
    }
    const own = letters.filter(({ delivery }) => delivery.startsWith(`${story.webhook.key}.`))
    checkResults(story, fail)
    checkRepeats(story, fail)
    if (story.webhook.surface === 'event') {
      checkDelivered(story, own, schedule, fail)
      for (const letter of own) checkDead(story, letter, schedule, fail)
    } else {
      checkOnce(story, schedule, fail)
      checkAnswers(story, schedule, fail)
    }
  }
  return failures
}

type Fail = (broken: string, why: string) => void

/** Every planned region has a result, and there is one for no other. */
function checkResults({ arrivals }: Story, fail: Fail): void {
  for (const { delivery, plan, results, answer } of arrivals) {
    if (plan === undefined || answer === undefined || results === 'gone') continue
    const names = plan.regions.map(({ name }) => name).join()
    if (typeof results === 'string') fail('no result', `${delivery} was answered, its results were ${results}`)
    else if (results.map(({ region }) => region).join() !== names) {
      fail('no result', `${delivery} went to ${names}, and the results are of ${JSON.stringify(results)}`)
    }
  }
}

/** One that comes while the same is under way, or after it was dealt with, calls nobody. */
function checkRepeats({ arrivals, calls }: Story, fail: Fail): void {
  for (const [at, repeat] of arrivals.entries()) {
    const before = arrivals.find(
      (one, index) =>
        one.by === repeat.by &&
        (one.readAt < repeat.readAt || (one.readAt === repeat.readAt && index < at)) &&
        settles(one, repeat),
    )
    const call = before && calls.find(({ delivery }) => delivery === repeat.delivery)
    if (call !== undefined)
      fail('repeated call', `${repeat.delivery} repeats ${before?.delivery} and calls ${call.region}`)
  }
}

function settles({ answer, disturbed }: Arrived, repeat: Arrived): boolean {
  if (answer === undefined) return !disturbed
  if (answer.at > repeat.readAt) return true
  return answer.status < 500 && answer.ours !== 'error' && answer.ours !== 'failure' && answer.ending !== 'inactive'
}

/** Of every accepted event each organization that it was for has it, or there is a dead letter. */
function checkDelivered(
  { webhook, arrivals, calls }: Story,
  letters: readonly Letter[],
  schedule: Schedule,
  fail: Fail,
) {
  const accepted = arrivals.filter(({ answer }) => answer !== undefined && answer.status < 300)
  if (accepted.length === 0) return
  const all = schedule.integrations.find(({ id }) => id === webhook.integration)?.organizations ?? []
  const planned = accepted.find(({ plan }) => plan !== undefined)?.plan
  const wanted = planned?.regions.flatMap(({ organizations }) => organizations.map(({ id }) => id))
  const has = (organization: string): boolean =>
    calls.some((call) => call.carriedOut && call.organizations.includes(organization))
  if (wanted === undefined && webhook.to === 'first') {
    if (!all.some(({ id }) => has(id)) && letters.length === 0) fail('lost', 'it was accepted, and no region has it')
    return
  }
  for (const organization of wanted ?? all.map(({ id }) => id)) {
    if (!has(organization) && letters.length === 0) {
      fail('lost', `it was accepted, and organization ${organization} has not got it`)
    } else if (!has(organization) && !schedule.faults.some(({ kind }) => kind === 'move' || kind === 'hold')) {
      const home = all.find(({ id }) => id === organization)?.region
      if (!letters.some(({ region }) => region === home || region === '')) {
        fail('lost', `it was accepted, and organization ${organization} in ${home} has not got it`)
      }
    }
  }
}

const REFUSING = new Set(['http_400', 'http_409', 'http_410', 'http_413', 'http_415', 'http_422'])

function checkDead({ calls }: Story, { delivery, region, reason }: Letter, schedule: Schedule, fail: Fail): void {
  const there = calls.filter((call) => call.region === region)
  const failed = (call: Called): boolean => call.status !== undefined && call.status >= 300
  const isJust = REFUSING.has(reason)
    ? there.some(({ status }) => `http_${status}` === reason)
    : reason === 'poison'
      ? there.filter(failed).length >= POISON_FAILURES
      : reason === 'too_old' && schedule.flavour === 'waits_too_long'
  if (!isJust) fail('unjust dead letter', `${delivery} died in ${region} of ${reason}`)
}

/** What a user has asked for is done once, unless a region has said that it knows one that it has done. */
function checkOnce({ arrivals, calls }: Story, { regions }: Schedule, fail: Fail): void {
  for (const { name, idempotent } of regions) {
    if (idempotent) continue
    for (const { delivery } of arrivals) {
      const sent = calls.filter((call) => call.region === name && call.delivery === delivery)
      if (sent.length > 1) fail('carried out twice', `${delivery} was sent to ${name} ${sent.length} times`)
    }
  }
}

/** At most one answer is ever heard, and one that was promised is, unless what became of it cannot be known. */
function checkAnswers({ webhook, arrivals, calls, posts, endings }: Story, schedule: Schedule, fail: Fail): void {
  const own = arrivals.filter(({ answer }) => answer?.ending !== 'duplicate')
  const heardAtOnce = own.filter(
    ({ answer, at }) => answer !== undefined && answer.at - at <= SLACK_WAITS_MS && isVisible(answer),
  )
  const heardLate = posts.filter(({ heard }) => heard)
  const visible = heardAtOnce.length + heardLate.length
  // One that failed without a trace and comes again is a request of its own.
  if (heardLate.length > 1 || (visible > own.length && !canNotTakeBack(schedule))) {
    const texts = [...heardAtOnce.map(({ answer }) => answer?.body ?? ''), ...heardLate.map(({ body }) => body)]
    fail('two answers', `the user sees ${visible}: ${texts.join(' | ')}`)
  }
  const failed = own.find(
    ({ answer, disturbed }) => !disturbed && answer?.ours === 'error' && answer.ending === 'silo_client_error',
  )
  if (webhook.surface === 'action' && webhook.answerable && failed !== undefined && !mayFailAtOnce(schedule)) {
    fail('an error', `${failed.delivery} is answered ${failed.answer?.status}, where the failure was to be posted`)
  }
  const isPromised = own.some(
    ({ answer }) =>
      answer !== undefined &&
      (answer.ending === 'late' || (answer.ending === 'told_failure' && answer.ours === 'acknowledged')),
  )
  if (isPromised && heardLate.length === 0) {
    const why = endings.map(({ result }) => result)
    if (!endings.some(({ result }) => isJustNone(result)))
      fail('no late answer', `promised, and it ended as ${why.join() || 'nothing'}`)
  }
  const said = calls.filter(({ says }) => says).map(({ region }) => `${region} has done ${webhook.key}`)
  for (const { body, from } of heardLate) {
    const done = calls.find(({ carriedOut }) => carriedOut)
    // Whoever took it over knows of its own attempts only, and whoever was taken for gone may ask again after all.
    const knowsAll = own.length === 1 && own[0]?.by === from && endings.every(({ result }) => result !== 'taken_over')
    if (body === APOLOGIES.failed && done !== undefined && knowsAll) {
      fail('wrong answer', `the user was told that it failed, and ${done.region} has done it`)
    }
    const isOurs = Object.values<string>(APOLOGIES).includes(body)
    if (!isOurs && !said.includes(body)) fail('wrong answer', `the user was told "${body}"`)
  }

  function isJustNone(result: string): boolean {
    switch (result) {
      case 'nothing_to_say':
        return calls.some(({ carriedOut, says }) => carriedOut && !says)
      case 'post_refused':
        return posts.some(({ status }) => status !== undefined && status >= 400 && status < 500 && status !== 429)
      case 'post_unknown':
        return posts.some((post) => post.status === undefined || !post.over) || canLoseTrack()
      case 'post_gave_up':
        return schedule.flavour === 'unheard_for_long' || posts.length > 0
      case 'too_late':
        return schedule.faults.some(({ kind }) => kind === 'clock_jump') || schedule.flavour === 'gone_for_long'
      default:
        return false
    }
  }

  /** A process that went away, or that the store took for gone, may have been about to post. */
  function canLoseTrack(): boolean {
    const kinds = new Set(schedule.faults.map(({ kind }) => kind))
    return ['crash', 'drain', 'suspended', 'store_gone', 'settle_fails', 'slow_store'].some((kind) =>
      [...kinds].some((one) => one === kind),
    )
  }
}

/**
 * A known limit: what is to be said in the response, and comes while it is being written down that an answer is owed, is
 * said although the store cannot take that back by the deadline. If its process ends before the store can, whoever takes
 * over tells the user as well.
 */
function canNotTakeBack({ faults }: Schedule): boolean {
  const has = (...kinds: string[]): boolean => faults.some(({ kind }) => kinds.includes(kind))
  return has('store_gone', 'settle_fails', 'slow_store') && has('crash', 'drain', 'suspended')
}

/** Without a store nothing can be promised, and without a directory nobody be asked. */
function mayFailAtOnce({ faults }: Schedule): boolean {
  return faults.some(({ kind }) => ['store_gone', 'append_fails', 'slow_store', 'directory_away'].includes(kind))
}

/** Whether a user sees anything of it: an error, or a reply that is not empty. */
function isVisible({ status, body, ours }: Answered): boolean {
  return ours === 'error' || status >= 400 || body !== ''
}
