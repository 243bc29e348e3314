import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { drawLatency, latencyResultsSchema } from './plots/latency-plot.ts'
import { drawRatios } from './plots/ratio-plot.ts'
import { ratioResultsSchema } from './ratio-results.ts'

const resultsSchema = z.object({ ratios: ratioResultsSchema.optional(), latency: latencyResultsSchema.optional() })

/** What the README shows, as figures. */
export type Results = z.infer<typeof resultsSchema>

const published = join(import.meta.dirname, '../docs/bench')

/**
 * Puts results in the place of those of the same benches in `results.json`, and draws all that is there. Without new
 * ones it only draws. Throws where the file holds something else.
 */
export function publish(results: Results, folder = published): void {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'results.json')
  const kept = existsSync(file) ? resultsSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : {}
  const { ratios, latency } = { ...kept, ...results }
  writeFileSync(file, `${JSON.stringify({ ratios, latency }, undefined, 2)}\n`)
  if (ratios !== undefined) writeFileSync(join(folder, 'ratios.svg'), drawRatios(ratios))
  if (latency !== undefined) writeFileSync(join(folder, 'latency.svg'), drawLatency(latency))
}
