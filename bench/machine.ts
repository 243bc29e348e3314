import { cpus, release, totalmem } from 'node:os'
import { z } from 'zod'

export const machineSchema = z.object({
  cpu: z.string(),
  cores: z.number(),
  memoryGiB: z.number(),
  kernel: z.string(),
  node: z.string(),
  date: z.string(),
})

export type Machine = z.infer<typeof machineSchema>

/** Where figures were taken: they mean nothing elsewhere. */
export function machine(): Machine {
  const cores = cpus()
  return {
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    // What a host appends to it is its own affair.
    kernel: release().split('-', 1)[0]!,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  }
}
