import { z } from 'zod'
import { shedRules } from '../steering/shed.ts'
import type { ShedList, Steering } from '../steering/steering.ts'
import { etagOf, isKnown, preconditionFailed, preconditionOf, readsIf, tagged, writesIf } from './conditional.ts'
import { idOut } from './fields.ts'
import { fromStore } from './from-store.ts'
import { invalidRequest, route, type Route } from './route.ts'

export interface ShedRoutesParts {
  readonly steering: Pick<Steering, 'shed' | 'putShed'>
  readonly providers: () => readonly { readonly name: string }[]
}

const shedIn = z.strictObject({ rules: shedRules })

const shedOut = z.object({
  rules: z.array(
    z.object({
      provider: z.string(),
      integration_id: idOut.exactOptional(),
      answer: z.enum(['ok', 'too_many_requests']),
      retry_after_seconds: z.int().exactOptional(),
    }),
  ),
})

export type ShedOut = z.output<typeof shedOut>

/** Which events are not wanted for now, in the whole fleet. */
export function shedRoutes({ steering, providers }: ShedRoutesParts): Route[] {
  const path = '/api/shed'
  return [
    route({
      method: 'get',
      path,
      summary: 'Which events are not wanted for now',
      writes: false,
      heeds: readsIf,
      responses: {
        200: { description: 'The rules in effect', body: shedOut, headers: tagged },
        304: { description: 'They are as is known', headers: tagged },
      },
      handle({ headers }) {
        const list = steering.shed()
        return isKnown(list, headers) ? { status: 304, headers: etagOf(list) } : answer(list)
      },
    }),
    route({
      method: 'put',
      path,
      summary: 'Replaces the rules; in effect in every gateway within a second',
      writes: true,
      body: shedIn,
      heeds: writesIf,
      responses: { 200: { description: 'The rules that are now in effect', body: shedOut, headers: tagged } },
      problems: ['precondition_failed'],
      async handle({ body: { rules }, headers, author }) {
        const names = providers().map(({ name }) => name)
        const faults = rules.flatMap(({ provider }, index) =>
          names.includes(provider)
            ? []
            : [{ path: `rules[${index}].provider`, message: `must be ${names.join(' or ')}` }],
        )
        if (faults.length > 0) throw invalidRequest(faults)
        const put = await fromStore(steering.putShed(rules, { author, precondition: preconditionOf(headers) }))
        if (put.kind === 'precondition_failed') throw preconditionFailed(put.current)
        return answer(put.list)
      },
    }),
  ]
}

function answer(list: ShedList) {
  const status = 200 as const
  return { status, headers: etagOf(list), body: { rules: [...list.rules] } }
}
