import { signal } from '@preact/signals'
import { get, post } from '../api.ts'
import { notify, notifyFailure } from '../parts/notices.tsx'
import type { Condition, DemoState } from '../shapes.ts'
import { asApiError } from '../use-resource.ts'

/** How the demo is; undefined until it was asked. */
export const demo = signal<DemoState | undefined>(undefined)

/** The region that this page has changed last. */
export const changedLast = signal<string | undefined>(undefined)

/** The keys in the demo's terminal break regions as well. */
const ASK_EVERY_MS = 2000

let questions = 0
let lastOrder: Promise<unknown> = Promise.resolve()

/** Keeps `demo` up to date until what it returns is called. */
export function followDemo(): () => void {
  const look = (): void => void ask(() => get<DemoState>('/api/demo')).catch(() => undefined)
  look()
  const pace = setInterval(() => document.visibilityState === 'visible' && look(), ASK_EVERY_MS)
  return () => clearInterval(pace)
}

/** Seen at once; where it cannot be done, it is said and what is shown is as it was. */
export function bringInto(name: string, behaviour: Condition): Promise<void> {
  changedLast.value = name
  const before = demo.value
  if (before !== undefined) {
    const regions = before.regions.map((region) => (region.name === name ? { name, behaviour } : region))
    demo.value = { ...before, regions }
  }
  return order(`/api/demo/regions/${name}`, { behaviour }, `${name} is as it was`)
}

export function flood({ seconds, perSecond }: { seconds: number; perSecond: number }): Promise<void> {
  return order('/api/demo/flood', { seconds, per_second: perSecond }, 'There is no flood')
}

export async function sendAgain(copies: number): Promise<void> {
  await order('/api/demo/duplicates', { copies }, 'Nothing was sent again', () =>
    notify(`The last event was sent ${copies} times more: each is a duplicate, and no region is asked again`),
  )
}

/** One after the other, as they were given: whoever goes through the choices by keyboard gives several at once. */
async function order(path: string, body: object, failure: string, then?: () => void): Promise<void> {
  const mine = (questions += 1)
  const done = lastOrder.then(() => ask(() => post<DemoState>(path, body), mine))
  lastOrder = done.catch(() => undefined)
  try {
    await done
    then?.()
  } catch (error) {
    notifyFailure(failure, asApiError(error))
    await ask(() => get<DemoState>('/api/demo')).catch(() => undefined)
  }
}

/** The answer is dropped where something was asked or ordered after this. */
async function ask(question: () => Promise<DemoState>, mine = (questions += 1)): Promise<void> {
  const answer = await question()
  if (mine === questions) demo.value = answer
}
