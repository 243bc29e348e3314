import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { aligned } from './aligned.ts'
import { positiveInteger, UsageError } from './rounds.ts'

/** What `--cpu-prof` writes: samples name the node they were taken in, and deltas are microseconds before each. */
const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
})

/** Prints where the time of a `.cpuprofile` went. */
export function printTop([file, count]: readonly string[]): void {
  if (file === undefined) throw new UsageError('Of which profile? npm run bench -- top FILE [N]')
  const functions = topFunctions(readFileSync(file, 'utf8')).slice(0, positiveInteger('N', count) ?? 10)
  console.log(aligned([['function', '%'], ...functions.map(({ name, share }) => [name, (100 * share).toFixed(1)])]))
}

/** Of a profile, by function and the most first: what share of the time in which there was something to do it ran. */
export function topFunctions(profile: string): { readonly name: string; readonly share: number }[] {
  const { nodes, samples, timeDeltas } = profileSchema.parse(JSON.parse(profile))
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const micros = new Map<string, number>()
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? ''
    // What a sample was taken in runs until the next one.
    if (name !== '(idle)') micros.set(name, (micros.get(name) ?? 0) + (timeDeltas[at + 1] ?? 0))
  }
  const all = micros.values().reduce((sum, each) => sum + each, 0)
  return [...micros]
    .map(([name, own]) => ({ name, share: own / all }))
    .toSorted((one, other) => other.share - one.share)
}

function nameOf({
  functionName,
  url,
  lineNumber,
}: z.infer<typeof profileSchema>['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  return url === '' ? name : `${name} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`
}
