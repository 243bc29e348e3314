import { z } from 'zod'
import type { News } from '../fleet/news.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { DirectoryCache, Reading } from './cache.ts'
import type { DirectoryChange } from './change.ts'
import type { Deleted, DirectoryEditor, Written } from './edit.ts'

/** What gateways tell each other of the directory's changes under. */
const TOPIC = 'directory'
/** And of what they have read of it. */
const READINGS = 'directory-readings'

const id = z.string()

const told = z.strictObject({
  version: z.int().nonnegative(),
  what: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('all') }),
    z.strictObject({
      kind: z.literal('some'),
      integrations: z.array(id).readonly(),
      organizations: z.array(id).readonly(),
      installations: z.array(z.strictObject({ provider: z.string(), externalId: z.string() })).readonly(),
    }),
  ]),
})

const reading = z.strictObject({
  name: z.string(),
  version: z.int().nonnegative(),
  content: z.string(),
  at: z.number(),
})

/** Tells the gateways of a fleet what this one has read, so that one of them asks for each key. */
export function tellReading(news: Pick<News, 'tell'>, read: Reading): void {
  news.tell(READINGS, JSON.stringify(read satisfies z.input<typeof reading>))
}

/** Tells the gateways of a fleet of a change; for one who remembers nothing himself, such as an import. */
export function tellFleet(news: Pick<News, 'tell'>, change: DirectoryChange): void {
  news.tell(TOPIC, JSON.stringify(change satisfies z.input<typeof told>))
}

/**
 * Lets a cache know what others have changed and read; what is no message of ours is counted and left aside. Returns the end of
 * it.
 */
export function hearOfChanges(
  news: Pick<News, 'listen'>,
  cache: Pick<DirectoryCache, 'changed' | 'readElsewhere' | 'missed'>,
  counters: Counters,
): () => void {
  function heard<Message>(text: string, schema: z.ZodType<Message>, then: (message: Message) => void): void {
    const message = readMessage(text, schema)
    if (message === undefined) counters.count('news_malformed_total', {})
    else then(message)
  }

  const stopChanges = news.listen(TOPIC, {
    heard: (text) => heard(text, told, (change) => cache.changed(change)),
    missed: () => cache.missed(),
  })
  const stopReadings = news.listen(READINGS, {
    heard: (text) => heard(text, reading, (read) => cache.readElsewhere(read)),
    // Then it is read here as well.
    missed: () => {},
  })
  return () => {
    stopChanges()
    stopReadings()
  }
}

function readMessage<Message>(text: string, schema: z.ZodType<Message>): Message | undefined {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** The same editor, each of whose changes is announced as soon as it is committed, and before its writer hears of it. */
export function announced(editor: DirectoryEditor, announce: (change: DirectoryChange) => void): DirectoryEditor {
  async function telling<Result extends Written<object> | Deleted<object>>(writing: Promise<Result>): Promise<Result> {
    const result = await writing
    if ('change' in result && result.change !== undefined) announce(result.change)
    return result
  }
  return {
    ...editor,
    putIntegration: (row, options) => telling(editor.putIntegration(row, options)),
    putOrganization: (row, options) => telling(editor.putOrganization(row, options)),
    putLink: (row, options) => telling(editor.putLink(row, options)),
    deleteIntegration: (integration, options) => telling(editor.deleteIntegration(integration, options)),
    deleteOrganization: (organization, options) => telling(editor.deleteOrganization(organization, options)),
    deleteLink: (integration, organization, options) => telling(editor.deleteLink(integration, organization, options)),
  }
}
