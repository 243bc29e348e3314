import { setTimeout as pause } from 'node:timers/promises'
import { familyCpuMs, watchOthers } from './process-account.ts'
import type { Round } from './ratio-results.ts'
import { ANSWER, type SlackForm } from './slack-command.ts'
import type { RunningServer } from './stage.ts'
import { runWrk, type WrkOptions } from './wrk.ts'

/**
 * As many ask at once where nothing else is said. Each sends the next as soon as it has its answer, so that there is
 * always some work and never much.
 */
export const CONNECTIONS = 32
/** More than the gateway could take: it knows those that come again. Who takes more is sent them again. */
export const FORMS_A_SECOND = 16_000

/** A mirror has it a moment after the caller has the answer. */
const PATIENCE_MS = 2000

/** What is done for a webhook once it is answered is done by then: records, a collection of garbage. */
const AFTERWARDS_MS = 200
const QUIET_MS = 100

/**
 * Asks a server as fast as it can answer. Throws, without saying which, unless all answers were good and each region was
 * asked for each of them: a command that failed is answered 200 as well, with an apology, and so is one that came again.
 */
export async function measure(
  { pid, url, allocatedBytes }: RunningServer,
  { regions, ...load }: Omit<WrkOptions, 'url'> & { readonly regions: readonly string[] },
): Promise<Round> {
  const before = { asked: await asked(regions), allocated: await allocatedBytes?.(), cpuMs: familyCpuMs(pid) }
  const othersSoFar = watchOthers([process.pid])
  const { errors, ...report } = await runWrk({ url, ...load })
  const othersShare = othersSoFar()
  await pause(AFTERWARDS_MS)
  const askedInAll = await askedAtLast(regions)
  const usedMs = familyCpuMs(pid) - before.cpuMs
  const allocated = await allocatedBytes?.()
  const { requests } = report
  if (Object.keys(errors).length > 0) {
    throw new Error(`of its ${requests} answers some were errors: ${JSON.stringify(errors)}`)
  }
  for (const [region, times] of askedInAll.entries()) {
    const timesNow = times - before.asked[region]!
    // Those that were on their way when wrk stopped have been sent on, and not been answered.
    if (timesNow >= requests && timesNow <= requests + load.connections) continue
    const why = timesNow < requests ? ': it lost some, or answers faster than there are new webhooks for it' : ''
    throw new Error(`it answered ${requests} times, and asked region ${region} ${timesNow} times for it${why}`)
  }
  return {
    ...report,
    othersShare,
    cpuMicros: (usedMs * 1000) / requests,
    ...(allocated !== undefined &&
      before.allocated !== undefined && { allocatedBytes: (allocated - before.allocated) / requests }),
  }
}

/**
 * Throws, without saying whose they are, unless answers are those of the regions, each of which has been asked once
 * (once for each time that it is named; what brings it no body does not count), and a forged request is refused where
 * `verifies`. Regions and server tell the length of what they say, so that nobody has to find the end of chunks that
 * others are spared; `inChunks`: it cannot.
 */
export async function checkAnswers(
  url: string,
  {
    regions,
    form: { path, headers, body },
    verifies,
    inChunks = false,
    patienceMs = PATIENCE_MS,
  }: { regions: readonly string[]; form: SlackForm; verifies: boolean; inChunks?: boolean; patienceMs?: number },
): Promise<void> {
  const post = (to: string, text: string): Promise<Response> =>
    fetch(`${to}${path}`, { method: 'POST', headers: headers.map(([name, value]) => [name, value]), body: text })
  for (const region of new Set(regions)) {
    const direct = await post(region, body)
    await direct.text()
    if (!direct.headers.has('content-length')) throw new Error('a region answers in chunks')
  }
  const before = await asked(regions)
  const good = await post(url, body)
  const text = await good.text()
  if (good.status !== 200 || text !== ANSWER) throw new Error(`it answered ${good.status} ${text}`)
  if (!inChunks && !good.headers.has('content-length')) throw new Error('it answers in chunks')
  const expected = before.map((times, at) => times + regions.filter((region) => region === regions[at]).length)
  const giveUpAt = performance.now() + patienceMs
  while ((await asked(regions)).some((times, at) => times !== expected[at])) {
    if (performance.now() > giveUpAt) throw new Error('it did not ask each of its regions once')
    await pause(20)
  }
  if (!verifies) return
  const forged = await post(url, `${body}&x=1`)
  if (forged.status !== 401) throw new Error(`it answered ${forged.status} to a forged body`)
}

/** Says of whom it is that a measurement or a check has thrown. */
export async function naming<Value>(what: string, asking: Promise<Value>): Promise<Value> {
  return await asking.catch((error: Error) => {
    throw new Error(`${what}: ${error.message}`, { cause: error })
  })
}

/** How often each region has been asked so far. */
export async function asked(regions: readonly string[]): Promise<number[]> {
  return await Promise.all(regions.map(async (region) => Number(await (await fetch(region)).text())))
}

/** The same once nothing more comes: mirrors, and what was on its way when wrk stopped, take their time. */
async function askedAtLast(regions: readonly string[]): Promise<number[]> {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (let [before, now] = ['', await asked(regions)]; ; now = await asked(regions)) {
    if (String(now) === before || performance.now() > giveUpAt) return now
    before = String(now)
    await pause(QUIET_MS)
  }
}
