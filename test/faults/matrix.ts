import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Skipped, type Fault, type Form } from './fault.ts'
import { isLateOnly, judge, type Verdict } from './judge.ts'
import { seeded } from './seeded.ts'
import { heading, legend, lineOf } from './table.ts'
import { importDirectory, openWorld, type Load, type World } from './world.ts'

export interface MatrixOptions {
  readonly form: Form
  readonly seed: number
  /** Faults that go on side by side, each in a world of its own. */
  readonly jobs: number
  readonly json: boolean
  /** A module of this folder that breaks the gateway on purpose, to see that it is noticed. */
  readonly sabotage: string | undefined
  /** A folder for the whole log of the gateway wherever something is wrong, and for what is known of each request. */
  readonly logs: string | undefined
  /** How long to wait for what has not arrived, in milliseconds. */
  readonly patienceMs: number
}

type Result =
  | { readonly kind: 'judged'; readonly verdict: Verdict; readonly log: readonly string[]; readonly seconds: number }
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'broken'; readonly error: Error; readonly log: readonly string[] }

const loads: Readonly<Record<Form, Load>> = {
  quick: { perSurface: 2, perMailbox: 3 },
  full: { perSurface: 10, perMailbox: 10 },
}
const LOG_LINES = 12

/** Runs every fault, prints the table, and says whether all went well. */
export async function runMatrix(faults: readonly Fault[], options: MatrixOptions): Promise<boolean> {
  const { seed, form, jobs, json } = options
  const begun = performance.now()
  const print = (text: string): void => void (json || console.log(text))
  print(`${faults.length} faults, ${form} form, seed ${seed}\n\n${legend}\n\n${heading}`)
  const template = await importDirectory()
  const failures: string[] = []
  const skipped: string[] = []
  const table: object[] = []
  const numbered = [...faults.entries()]

  const inDoubt: [number, Fault][] = []
  const worker = async (waiting: [number, Fault][], { hasOthersBeside = false } = {}): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [at, fault] = next
      const result = await runFault(fault, { ...options, seed: seed + at, template: template.folder })
      if (hasOthersBeside && result.kind === 'judged' && isLateOnly(result.verdict)) {
        inDoubt.push(next)
        note(
          `${fault.name}: late beside other faults, and to be judged by itself: ${result.verdict.failures.join('; ')}`,
        )
      } else report(fault, result)
    }
  }
  const note = (text: string): void => {
    print(`  (${text})`)
    table.push({ note: text })
  }
  const report = ({ name }: Fault, result: Result): void => {
    switch (result.kind) {
      case 'skipped':
        skipped.push(name)
        print(`${name.padEnd(30)}skipped: ${result.why}`)
        table.push({ fault: name, skipped: result.why })
        return
      case 'broken':
        failures.push(`${name}: ${result.error.stack ?? result.error.message}`, ...tail(result.log))
        return
      case 'judged':
        for (const [at, row] of result.verdict.rows.entries()) {
          const took = at === 0 ? `   ${result.seconds.toFixed(0)} s` : ''
          print(lineOf({ fault: name, surface: row.surface, row }) + took)
          table.push({ fault: name, ...row })
        }
        for (const text of result.verdict.notes) {
          print(`  (${text})`)
          table.push({ fault: name, note: text })
        }
        if (result.verdict.failures.length === 0) return
        failures.push(...result.verdict.failures.map((failure) => `${name}: ${failure}`), ...tail(result.log))
    }
  }
  try {
    const {
      alone = [],
      fleets = [],
      together = [],
    } = Object.groupBy(numbered, ([, { alone, world }]) =>
      alone === true ? 'alone' : world?.fleet === undefined ? 'together' : 'fleets',
    )
    await Promise.all(Array.from({ length: jobs }, () => worker(together, { hasOthersBeside: jobs > 1 })))
    // Three gateways, two servers and all that surrounds them are as much as a small machine can carry in time.
    for (const phase of [fleets, alone, inDoubt]) await worker(phase)
  } finally {
    await template.remove()
  }

  const seconds = Math.round((performance.now() - begun) / 1000)
  if (json) console.log(JSON.stringify({ seed, form, seconds, table, failures, skipped }, undefined, 2))
  print(`\n${seconds} s, ${faults.length - skipped.length} faults, ${skipped.length} skipped`)
  for (const failure of failures) print(failure.startsWith('  ') ? failure : `FAILED ${failure}`)
  print(failures.length === 0 ? 'nothing lost, nothing late, nothing out of order' : `again: --seed ${seed}`)
  return failures.length === 0
}

async function runFault(
  fault: Fault,
  { form, seed, sabotage, template, patienceMs, logs }: MatrixOptions & { template: string },
): Promise<Result> {
  const { excuses = {}, world: settings = {} } = fault
  const begun = performance.now()
  const preload = [
    ...(sabotage === undefined ? [] : [pathToFileURL(join(import.meta.dirname, `${sabotage}.ts`)).href]),
    ...(settings.preload ?? []),
  ]
  const random = seeded(seed)
  const load = fault.load?.(form) ?? loads[form]
  let world
  try {
    world = await openWorld(template, { ...settings, load, random, preload, excuses })
  } catch (error) {
    if (error instanceof Skipped) return { kind: 'skipped', why: error.message }
    return { kind: 'broken', error: error as Error, log: [] }
  }
  try {
    await fault.run(world, form)
    await world.settled(patienceMs)
    if (world.fleet.some(({ running }) => !running)) world.ledger.complaints.push('a gateway has ended')
    const seconds = (performance.now() - begun) / 1000
    const verdict = judge(world.ledger, excuses)
    if (logs !== undefined && verdict.failures.length > 0) await writeLogs(join(logs, fault.name), world)
    return { kind: 'judged', verdict, log: logOf(world), seconds }
  } catch (error) {
    if (error instanceof Skipped) return { kind: 'skipped', why: error.message }
    return { kind: 'broken', error: error as Error, log: logOf(world) }
  } finally {
    await world.close()
  }
}

/** Of each gateway, one after the other. */
const logOf = ({ fleet }: World): string[] => fleet.flatMap(({ log }) => log)

async function writeLogs(file: string, world: World): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.log`, logOf(world).join('\n'))
  const { sent, executions, messages } = world.ledger
  await writeFile(`${file}.json`, JSON.stringify({ sent: [...sent.values()], executions, messages }, undefined, 1))
}

/** What the gateway said last, besides its line of each webhook. */
function tail(log: readonly string[]): string[] {
  return log
    .filter((line) => !line.includes('"msg":"webhook"'))
    .slice(-LOG_LINES)
    .map((line) => `    ${line.slice(0, 600)}`)
}
