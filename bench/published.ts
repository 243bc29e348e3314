import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { latencyResultsSchema } from './latency-results.ts'
import { drawLatency } from './plots/latency-plot.ts'
import { drawRatios } from './plots/ratio-plot.ts'
import { ratioResultsSchema, summarized } from './ratio-results.ts'

const resultsSchema = z.object({ ratios: ratioResultsSchema.optional(), latency: latencyResultsSchema.optional() })

/** What the README shows, as figures. */
export type Results = z.infer<typeof resultsSchema>

const published = join(import.meta.dirname, '../docs/bench')
const RESULTS = 'results.json'

/**
 * Puts results in the place of those of the same benches in `results.json`, and draws all that is there. Without new
 * ones it only draws. Throws where the file holds something else, or where there is nothing to draw.
 */
export function publish(results: Results, folder = published): void {
  const { ratios, latency } = { ...readPublished(folder), ...results }
  if (ratios === undefined && latency === undefined) {
    throw new Error('Nothing is published yet: npm run bench -- --plot measures it')
  }
  mkdirSync(folder, { recursive: true })
  const figures = { ratios: ratios && summarized(ratios), latency }
  writeFileSync(join(folder, RESULTS), `${JSON.stringify(figures, undefined, 2)}\n`)
  if (ratios !== undefined) writeFileSync(join(folder, 'ratios.svg'), drawRatios(ratios))
  if (latency !== undefined) writeFileSync(join(folder, 'latency.svg'), drawLatency(latency))
}

/** What has been published: nothing yet, perhaps. Throws where the file holds something else: before measuring, too. */
export function readPublished(folder = published): Results {
  const file = join(folder, RESULTS)
  if (!existsSync(file)) return {}
  const { data, error } = resultsSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')))
  if (error === undefined) return data
  const [{ path, message }] = error.issues as [z.core.$ZodIssue]
  throw new Error(`${file} holds something else than results, at ${path.join('.')}: ${message}`)
}
