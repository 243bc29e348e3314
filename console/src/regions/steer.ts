import { post } from '../api.ts'
import { count, counted } from '../format.ts'
import { confirm } from '../parts/confirm.tsx'
import { notify, notifyFailure } from '../parts/notices.tsx'
import type { RegionNow } from '../shapes.ts'
import { asApiError } from '../use-resource.ts'

/** What a region can be told, over what regions.yaml says of it. */
export type Order = 'drain' | 'down' | 'resume'

/** Those that would change something. */
export function orders({ state, override }: RegionNow): readonly Order[] {
  const possible: Order[] = []
  if (state === 'active' || override === 'down') possible.push('drain')
  if (state !== 'down') possible.push('down')
  if (override !== null) possible.push('resume')
  return possible
}

/** Asks whether it is meant, does it, and says how it went; resolves to whether it was done. Never rejects. */
export async function steer(region: RegionNow, order: Order): Promise<boolean> {
  const { name } = region
  const { title, text, act, done } = said[order](region)
  if (!(await confirm({ title, text, act, isDangerous: order === 'down' }))) return false
  try {
    await post<RegionNow>(`/api/regions/${encodeURIComponent(name)}/${order}`)
    notify(done)
    return true
  } catch (error) {
    notifyFailure(`${name} is as it was`, asApiError(error))
    return false
  }
}

interface Said {
  readonly title: string
  readonly text: string
  readonly act: string
  readonly done: string
}

const said: Readonly<Record<Order, (region: RegionNow) => Said>> = {
  drain: ({ name }) => ({
    title: `Drain ${name}?`,
    text: `Nothing more that Slack waits for is sent to ${name}: commands and clicks of its customers fail and say so, events wait. What waits is still delivered. It holds for the whole fleet, over regions.yaml, until you resume it.`,
    act: `Drain ${name}`,
    done: `${name} is draining`,
  }),
  down: ({ name, in_flight: calls, mailboxes }) => ({
    title: `Take ${name} down?`,
    text: `Nothing is sent to ${name} any more, not even what waits for it (now ${counted(mailboxes?.depth ?? 0, 'delivery', 'deliveries')}). Calls in flight (now ${count(calls)}) come to their end. Commands and clicks of its customers fail and say so, events wait. It holds for the whole fleet, over regions.yaml, until you resume it.`,
    act: `Take ${name} down`,
    done: `${name} is down`,
  }),
  resume: ({ name, file_state: file, mailboxes }) => ({
    title: `Resume ${name}?`,
    text:
      file === null
        ? `What was ordered for ${name} is taken back. regions.yaml does not know it, so that it still counts as down.`
        : `${name} is ${file} again, as regions.yaml says. ${counted(mailboxes?.depth ?? 0, 'delivery waits', 'deliveries wait')} for it.`,
    act: `Resume ${name}`,
    done: `${name} is as regions.yaml says`,
  }),
}
