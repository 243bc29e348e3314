import type { Behaviour, Region } from '../region/region.ts'

/** Slow enough to be seen, and well within Slack's three seconds. */
export const SLOW_MS = 400

/** What may be the matter with a region; `gone` is one that refuses connections. */
export const conditions = ['healthy', 'slow', 'failing', 'hanging', 'gone'] as const
export type Condition = (typeof conditions)[number]

const behaviours: Readonly<Record<Exclude<Condition, 'gone'>, Behaviour>> = {
  healthy: { delayMs: 0, failWith: undefined },
  slow: { delayMs: SLOW_MS, failWith: undefined },
  failing: { delayMs: 0, failWith: 500 },
  hanging: { delayMs: Infinity, failWith: undefined },
}

/** Resolves when it is so; what has hung until then is answered, or its connection breaks. Rejects like `switchOn`. */
export async function bringInto(region: Region, condition: Condition): Promise<void> {
  if (condition === 'gone') return await region.switchOff()
  region.behave(behaviours[condition])
  await region.switchOn()
}

/** What somebody who asks it finds, whoever has brought it there. */
export function conditionOf({ isOn, behaviour: { delayMs, failWith } }: Region): Condition {
  if (!isOn) return 'gone'
  if (failWith !== undefined) return 'failing'
  if (delayMs === 0) return 'healthy'
  return delayMs === Infinity ? 'hanging' : 'slow'
}

/** What it has kept waiting ends now: whoever waits for that would wait as long as the gateway does. */
export async function endHanging(region: Region): Promise<void> {
  if (conditionOf(region) === 'hanging') await region.switchOff()
}
