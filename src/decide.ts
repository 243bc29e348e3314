import { unresolvedMailbox } from './delivery/deliver-event.ts'
import type { MailboxWorker } from './delivery/mailboxes.ts'
import type { Directory } from './directory/directory.ts'
import type { Plan } from './dispatch/dispatch.ts'
import type { FanOut, Promised, Provider, RoutableRequest } from './provider.ts'
import type { Topology } from './regions/regions.ts'
import { resolve, type Resolution } from './resolve/resolve.ts'
import type { Route } from './resolve/route.ts'
import { shedByIntegration, shedByProvider, type ShedRule } from './steering/shed.ts'

/** What is to be done about a request, and why: all that is decided before anything is sent. */
export interface Decision {
  readonly promised: Promised
  readonly fanOut: FanOut
  /** Undefined: it made no difference. */
  readonly resolution: Resolution | undefined
  readonly course: Course
}

export type Course =
  /** An operator does not want it for now. */
  | { readonly kind: 'shed'; readonly rule: ShedRule }
  /** It has to arrive, and nobody can say where yet. */
  | { readonly kind: 'wait_for_home' }
  | { readonly kind: 'directory_away' }
  | { readonly kind: 'unknown_integration' }
  | { readonly kind: 'inactive' }
  | { readonly kind: 'planned'; readonly route: Route; readonly plan: Plan }

/** What a decision depends on, besides the request. */
export interface Circumstances {
  readonly directory: Pick<Directory, 'find'>
  readonly topology: Topology
  readonly mailboxes: Pick<MailboxWorker, 'mustWait'>
  readonly shed: () => readonly ShedRule[]
}

/** Decides about a request as it is carried out, and as it is explained; at once if the directory answers so. */
export function decide(
  provider: Provider,
  request: RoutableRequest,
  { directory, topology, mailboxes, shed }: Circumstances,
): Decision | Promise<Decision> {
  const promised = provider.promise(request)
  const fanOut = provider.fanOut(request)
  const decided = (resolution: Resolution | undefined, course: Course): Decision => ({
    promised,
    fanOut,
    resolution,
    course,
  })
  const rules = request.surface === 'event' ? shed() : []
  const forAll = shedByProvider(rules, provider.name)
  if (forAll !== undefined) return decided(undefined, { kind: 'shed', rule: forAll })

  const mustArrive = promised.kind === 'delivery'
  if (mustArrive && mailboxes.mustWait(unresolvedMailbox(provider.name, request))) {
    const behind: Resolution = { kind: 'unknown', cause: 'what came before it is not resolved yet' }
    return decided(behind, { kind: 'wait_for_home' })
  }
  const resolving = resolve(request, directory, topology)
  return resolving instanceof Promise ? resolving.then(follow) : follow(resolving)

  function follow(resolution: Resolution): Decision {
    switch (resolution.kind) {
      case 'absent':
        return decided(resolution, { kind: 'unknown_integration' })
      case 'unknown':
        return decided(resolution, { kind: mustArrive ? 'wait_for_home' : 'directory_away' })
      case 'inactive':
        return decided(resolution, { kind: 'inactive' })
      case 'routed': {
        const { route } = resolution
        const rule = shedByIntegration(rules, route.integration)
        if (rule !== undefined) return decided(resolution, { kind: 'shed', rule })
        return decided(resolution, { kind: 'planned', route, plan: planFor(route, fanOut) })
      }
    }
  }
}

function planFor({ regions }: Route, fanOut: FanOut): Plan {
  const { wins } = fanOut
  return fanOut.to === 'first'
    ? { kind: 'first', wins, regions: [regions[0]] }
    : { kind: 'all', wins, regions, preferBodyForMs: fanOut.preferBodyForMs }
}
