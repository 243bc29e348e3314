import { z } from 'zod'
import { attemptOut } from './story.ts'

/** What becomes of a delivery after it was answered. */
export const noteIn = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('attempt'), attempt: attemptOut }),
  z.object({ kind: z.literal('dead'), region: z.string(), reason: z.string() }),
  z.object({ kind: z.literal('late_answer'), result: z.string(), reason: z.string().nullable() }),
])

export type Note = z.output<typeof noteIn>
