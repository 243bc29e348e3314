import { SiloClientError } from '../../src/errors.ts'
import type { Provider, Reply, RoutableRequest } from '../../src/provider.ts'
import type { SimWebhook } from './schedule.ts'

/** The smallest provider with every kind of promise: commands, clicks and events as Slack's, without their grammar. */

export const BUDGET_MS = 2500
export const PROVIDER = 'sim'

export interface SimRequest extends RoutableRequest {
  readonly webhook: SimWebhook
}

/** What kind of reply of ours it is, for whoever judges it; a region's own has none. */
export const OURS = 'X-Ours'
const responseUrlOf = (key: string): string => `https://answers.example/${key}`
export const APOLOGIES = { failed: 'it failed', unknown: 'it is not known' } as const

const ours = (kind: string, body = ''): Reply => ({ status: 200, rawHeaders: [OURS, kind], body: Buffer.from(body) })

/** `webhooks`: by key, which is all that a body says. */
export function virtualProvider(webhooks: ReadonlyMap<string, SimWebhook>): Provider<SimRequest> {
  return {
    name: PROVIDER,
    budgetMs: BUDGET_MS,
    match: () => undefined,
    admit: () => ({ signed: true }),
    identify(_admission, { body }) {
      const webhook = webhooks.get(body.toString())
      if (webhook === undefined) throw new Error('A body that nobody sent')
      const { surface, key, integration } = webhook
      const request: SimRequest = {
        webhook,
        surface,
        type: surface,
        installation: { by: 'external', provider: PROVIDER, appId: '', externalId: `T${integration}` },
        foundIn: 'body',
        hint: undefined,
        dedupKey: key,
        remember: surface === 'event' ? 'status' : 'answer',
        signedBy: '',
      }
      return { kind: 'request', request }
    },
    read() {
      throw new Error('Nobody explains anything here')
    },
    fanOut: ({ webhook: { to, surface } }) => {
      const wins = surface === 'event' ? 'success' : 'reply'
      return to === 'first' ? { to, wins } : { to, wins, preferBodyForMs: surface === 'view' ? 250 : 0 }
    },
    planRule: ({ surface }) => surface,
    disclosure: { headers: new Set(), secretName: /$^/, secretText: /$^/g },
    unknownIntegration: () => ours('unknown_integration'),
    inactive: () => ours('inactive'),
    respond({ webhook: { surface } }, outcome) {
      if (outcome.kind === 'won') return surface === 'event' ? ours('acknowledged') : outcome.winner.reply
      if (surface !== 'command') throw new SiloClientError(outcome.results)
      return ours('failure', APOLOGIES.failed)
    },
    promise({ webhook: { surface, answerable, key } }) {
      if (surface === 'event') return { kind: 'delivery' }
      if (!answerable) return { kind: 'nothing' }
      return { kind: 'late_answer', to: responseUrlOf(key), failure: surface === 'command' ? 'respond' : 'post' }
    },
    acknowledge: () => ours('acknowledged'),
    lateMessage: ({ body }) => (body.length === 0 ? undefined : { contentType: 'text/plain', body }),
    apology: (why) => ({ contentType: 'text/plain', body: Buffer.from(APOLOGIES[why]) }),
    mayPostTo: () => true,
    signAgain: ({ rawHeaders }) => [...rawHeaders],
    renderError: () => undefined,
    answerControlPage: () => Promise.reject(new Error('There are no pages here')),
  }
}
