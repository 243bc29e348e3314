import { z } from 'zod'
import { noteIn, type Note } from './notes.ts'
import type { StoredRecord } from './record-store.ts'
import { attemptOut, storyOut } from './story.ts'
import { storyInWords } from './in-words.ts'

/** A delivery as it is told: what was written when it came, and what has become of it since. */
export const deliveryOut = storyOut.extend({
  later: z
    .array(attemptOut.extend({ at: z.iso.datetime() }))
    .describe('Attempts after the provider was answered, by mailboxes and for late answers.'),
  dead: z
    .array(z.object({ region: z.string(), reason: z.string(), at: z.iso.datetime() }))
    .describe('For which regions it was put with the dead letters.'),
  late_answer: z
    .object({ result: z.string(), reason: z.string().nullable(), at: z.iso.datetime() })
    .nullable()
    .describe('What became of an answer that was owed.'),
  duplicates: z
    .object({ count: z.int(), last_at: z.iso.datetime().nullable() })
    .describe('Webhooks that were the same request, and got its answer.'),
  duplicate_of: z.string().nullable().describe('Of a duplicate: the delivery that it repeats, where that is known.'),
  lines: z.array(z.string()).describe('The same in words.'),
})

export type Delivery = z.output<typeof deliveryOut>
/** What is said in words. */
export type DeliveryFacts = Omit<Delivery, 'lines'>

/** Throws for a record that no release has written so. */
export function deliveryFrom({ story, notes, duplicates, original }: StoredRecord): Delivery {
  const told = notes.flatMap(({ at, note }) => {
    // What a later release notes is nothing that this one could tell.
    const read = noteIn.safeParse(JSON.parse(note))
    return read.success ? [{ at: iso(at), note: read.data }] : []
  })
  const late = told.findLast(({ note }) => note.kind === 'late_answer')
  const facts: DeliveryFacts = {
    ...storyOut.parse(story),
    later: of(told, 'attempt').map(({ at, note }) => ({ ...note.attempt, at })),
    dead: of(told, 'dead').map(({ at, note: { region, reason } }) => ({ region, reason, at })),
    late_answer:
      late?.note.kind === 'late_answer' ? { result: late.note.result, reason: late.note.reason, at: late.at } : null,
    duplicates: {
      count: duplicates.count,
      last_at: duplicates.lastAt === undefined ? null : iso(duplicates.lastAt),
    },
    duplicate_of: original ?? null,
  }
  return { ...facts, lines: storyInWords(facts) }
}

function of<Kind extends Note['kind']>(told: readonly { at: string; note: Note }[], kind: Kind) {
  return told.filter((one): one is { at: string; note: Extract<Note, { kind: Kind }> } => one.note.kind === kind)
}

function iso(unixMs: number): string {
  return new Date(unixMs).toISOString()
}
