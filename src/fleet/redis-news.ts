import { z } from 'zod'
import type { Counters } from '../telemetry/counters.ts'
import type { News } from './news.ts'
import type { Redis } from './redis.ts'

/** As it is published. Without a text: something was to be told, and could not be. */
const message = z.strictObject({ from: z.string(), text: z.string().optional() })

/**
 * Tells by Redis' publish and subscribe. What could not be told while Redis was away is not told later; others are told
 * instead that they have missed something.
 */
export function createRedisNews({
  redis,
  instance,
  counters,
}: {
  redis: Pick<Redis, 'publish' | 'subscribe' | 'onHealed' | 'channel'>
  /** Unique in the fleet: by this, one's own messages are not heard. */
  instance: string
  counters: Counters
}): News {
  const untold = new Set<string>()
  const channelOf = (topic: string): string => redis.channel(`news:${topic}`)

  function publish(topic: string, text: string | undefined): void {
    const told = redis.publish(
      channelOf(topic),
      JSON.stringify({ from: instance, text } satisfies z.input<typeof message>),
    )
    told.catch(() => untold.add(topic))
  }

  redis.onHealed(() => {
    const topics = [...untold]
    untold.clear()
    for (const topic of topics) publish(topic, undefined)
  })

  return {
    tell: publish,
    listen: (topic, listener) =>
      redis.subscribe(channelOf(topic), {
        heard(published) {
          const read = message.safeParse(parsed(published))
          if (!read.success) counters.count('news_malformed_total', {})
          else if (read.data.from === instance) return
          else if (read.data.text === undefined) listener.missed()
          else listener.heard(read.data.text)
        },
        missed: () => listener.missed(),
      }),
  }
}

/** Undefined where it is not JSON, which no message is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
