import { setTimeout as pause } from 'node:timers/promises'
import { familyCpuMs, watchOthers } from './process-account.ts'
import type { Round } from './ratio-results.ts'
import type { SlackForm } from './slack-command.ts'
import type { RunningServer } from './stage.ts'
import { runWrk } from './wrk.ts'

/** A mirror has it a moment after the caller has the answer. */
const PATIENCE_MS = 2000

/** Asks a server as fast as it can answer. */
export async function measure(
  { pid, url, allocatedBytes }: RunningServer,
  load: { readonly forms: Iterable<SlackForm>; readonly connections: number; readonly seconds: number },
): Promise<Round> {
  const before = { cpuMs: familyCpuMs(pid), allocated: await allocatedBytes?.() }
  const othersSoFar = watchOthers([process.pid])
  const report = await runWrk({ url, ...load })
  const othersShare = othersSoFar()
  const usedMs = familyCpuMs(pid) - before.cpuMs
  const allocated = await allocatedBytes?.()
  return {
    ...report,
    othersShare,
    cpuMicros: (usedMs * 1000) / report.requests,
    ...(allocated !== undefined &&
      before.allocated !== undefined && { allocatedBytes: (allocated - before.allocated) / report.requests }),
  }
}

/**
 * Throws, without saying whose they are, unless answers are those of the regions, each of which has been asked once,
 * and a forged request is refused where `verifies`.
 */
export async function checkAnswers(
  url: string,
  {
    regions,
    form: { path, headers, body },
    verifies,
    patienceMs = PATIENCE_MS,
  }: { regions: readonly string[]; form: SlackForm; verifies: boolean; patienceMs?: number },
): Promise<void> {
  const post = (text: string): Promise<Response> =>
    fetch(`${url}${path}`, { method: 'POST', headers: headers.map(([name, value]) => [name, value]), body: text })
  const before = await asked(regions)
  const good = await post(body)
  const text = await good.text()
  if (good.status !== 200 || text !== '{"text":"done"}') throw new Error(`it answered ${good.status} ${text}`)
  const giveUpAt = performance.now() + patienceMs
  while ((await asked(regions)).some((times, region) => times !== before[region]! + 1)) {
    if (performance.now() > giveUpAt) throw new Error('it did not ask each of its regions once')
    await pause(20)
  }
  if (!verifies) return
  const forged = await post(`${body}&x=1`)
  if (forged.status !== 401) throw new Error(`it answered ${forged.status} to a forged body`)
}

/** How often each region has been asked so far. */
export async function asked(regions: readonly string[]): Promise<number[]> {
  return await Promise.all(regions.map(async (region) => Number(await (await fetch(region)).text())))
}
