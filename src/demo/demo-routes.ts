import { z } from 'zod'
import { route, type Route } from '../admin/route.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Region } from '../region/region.ts'
import { bringInto, conditionOf, conditions, type Condition } from './faults.ts'
import { organizations, regionNames, type RegionName } from './silos.ts'
import { linkTo } from './slack-simulator.ts'
import type { Traffic } from './traffic.ts'

export interface DemoRoutesParts {
  readonly clock: Clock
  readonly regions: Readonly<Record<RegionName, Region>>
  /** Undefined: nothing is sent yet. */
  readonly traffic: () => Traffic | undefined
  /** Told what somebody has done to the demo, before its effects show. */
  readonly tell: (what: string) => void
}

const demoOut = z.object({
  regions: z.array(z.object({ name: z.string(), behaviour: z.enum(conditions) })),
  pace: z.number().describe('Webhooks a second.'),
  flooding: z.boolean(),
})

export type DemoState = z.output<typeof demoOut>

/** What the console's fault panel asks. Only the demo hands these to its admin listener. */
export function demoRoutes({ clock, regions, traffic, tell }: DemoRoutesParts): Route[] {
  const responses = { 200: { description: 'How the demo is', body: demoOut } }
  const accepted = { 202: { description: 'It is being sent; how the demo is', body: demoOut } }
  return [
    route({
      method: 'get',
      path: '/api/demo',
      summary: 'How the regions of the demo behave, and what is sent',
      writes: false,
      responses,
      handle: () => ({ status: 200, body: state() }),
    }),
    route({
      method: 'post',
      path: '/api/demo/regions/{name}',
      summary: 'Breaks a region of the demo, or mends it',
      writes: true,
      params: z.strictObject({ name: z.enum(regionNames) }),
      body: z.strictObject({ behaviour: z.enum(conditions) }),
      responses,
      async handle({ params: { name }, body: { behaviour } }) {
        tell(`${name} ${words[behaviour]}`)
        await bringInto(regions[name], behaviour)
        // Nobody has to wait for what is to be seen of it.
        traffic()?.sendNow(linkTo(organizations[name].slug, clock.now()))
        return { status: 200, body: state() }
      },
    }),
    route({
      method: 'post',
      path: '/api/demo/flood',
      summary: 'Sends everything Slack sends, faster, for a while; a flood that runs gives way',
      writes: true,
      body: z.strictObject({ seconds: z.int().min(1).max(30), per_second: z.int().min(1).max(200) }),
      responses: accepted,
      problems: ['conflict'],
      handle({ body: { seconds, per_second: perSecond } }) {
        const sent = started()
        tell(`a flood: ${perSecond} webhooks a second for ${seconds} s`)
        sent.flood({ seconds, perSecond })
        return { status: 202, body: state() }
      },
    }),
    route({
      method: 'post',
      path: '/api/demo/duplicates',
      summary: 'Sends the last event again, several times at once',
      writes: true,
      body: z.strictObject({ copies: z.int().min(1).max(20) }),
      responses: accepted,
      problems: ['conflict'],
      handle({ body: { copies } }) {
        if (!started().sendAgain(copies)) throw tooEarly()
        return { status: 202, body: state() }
      },
    }),
  ]

  function state(): DemoState {
    const sent = traffic()
    return {
      regions: regionNames.map((name) => ({ name, behaviour: conditionOf(regions[name]) })),
      pace: sent?.pace ?? 0,
      flooding: sent?.flooding ?? false,
    }
  }

  function started(): Traffic {
    const sent = traffic()
    if (sent === undefined) throw tooEarly()
    return sent
  }
}

const words: Readonly<Record<Condition, string>> = {
  healthy: 'is healthy',
  slow: 'is slow',
  failing: 'answers 500',
  hanging: 'does not answer any more',
  gone: 'is gone: it refuses connections',
}

function tooEarly(): Refusal {
  return new Refusal('conflict', 'The demo has only just begun: try again in a second.')
}
