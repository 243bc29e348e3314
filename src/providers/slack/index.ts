import { Refusal } from '../../errors.ts'
import type { PageClaims, Provider, ProviderParts } from '../../provider.ts'
import { defineProvider } from '../define-provider.ts'
import { admitPage, admitWebhook, type PageAdmission, type SlackAdmission } from './admit.ts'
import { disclosure } from './disclosure.ts'
import { pageDoor, pagePaths, type SlackDoor, webhookDoor } from './doors.ts'
import { identifyWebhook, readWebhook } from './identify.ts'
import { signPageToken } from './page-token.ts'
import { answerIdentityPage, errorPage, identifyPage, type PageParts } from './pages.ts'
import { apology, lateMessage } from './late-message.ts'
import { limits, SLACK_WAITS_MS } from './limits.ts'
import { fanOut, planRule } from './plan.ts'
import { promise } from './promise.ts'
import { emptyReply, replyToInactive, replyToUnknown, respond } from './reply.ts'
import type { SlackRequest } from './request.ts'
import { mayPostTo } from './response-url.ts'
import { environment, rules } from './settings.ts'
import { signAgain } from './sign-again.ts'
import { importSecrets } from './verify.ts'

/** Everything the gateway knows of Slack. */
export const slack = defineProvider({
  name: 'slack',
  environment,
  rules,

  create(settings, { clock, counters, log, alarms, identities, listSecret }): Provider<SlackRequest> {
    const provider = 'slack'
    const budgetMs = settings.environment.SLACK_BUDGET_MS
    if (budgetMs >= SLACK_WAITS_MS) {
      log.warn({ budgetMs }, 'SLACK_BUDGET_MS is longer than Slack waits: by then its user has seen an error')
    }
    const keys = importSecrets(settings.environment.SLACK_SIGNING_SECRETS, { listSecret })
    const isResponseUrl = (url: string): boolean => mayPostTo(url, settings.environment.SLACK_RESPONSE_HOSTS)
    const webhooks = {
      provider,
      keys,
      isResponseUrl,
      rules: settings.rules,
      linkPatterns: settings.rules.links.map((pattern) => new RegExp(pattern)),
      counters,
      alarms,
    }
    const pages = pagesWith(settings.environment.PAGE_SIGNING_SECRET, { provider, clock, identities, alarms })
    return {
      name: provider,
      budgetMs,
      match: (path) => webhookDoor(path) ?? (pages && pageDoor(path)),

      admit: (door: SlackDoor, head) =>
        door.kind === 'webhook' ? admitWebhook(door, head, { clock, counters, alarms }) : admitPage(door, open(pages)),
      identify: (admission: SlackAdmission, webhook) =>
        admission.kind === 'webhook'
          ? identifyWebhook(admission, webhook, webhooks)
          : identifyPage(admission, webhook, provider),
      async read(door: SlackDoor, body) {
        if (door.kind === 'webhook') return readWebhook(door, body, { ...webhooks, ...unheard })
        return identifyPage(await admitPage(door, open(pages)), { delivery: '' }, provider)
      },
      fanOut: (request) => fanOut(request, settings.rules),
      planRule: (request) => planRule(request, settings.rules),
      disclosure,
      limits,
      unknownIntegration: (request, { headers }) => replyToUnknown(request, headers),
      inactive: replyToInactive,
      respond,
      promise: (request) => promise(request, settings.rules),
      acknowledge: () => emptyReply(200),
      lateMessage,
      apology,
      mayPostTo: isResponseUrl,
      signAgain: (request) => signAgain(request, { keys, clock }),
      renderError: (door, error) => (door.kind === 'webhook' ? undefined : errorPage(error)),
      answerControlPage: (admission: PageAdmission, webhook) => answerIdentityPage(admission, webhook, open(pages)),
      pages: { userField: 'slack_user_id', paths: pagePaths },
      ...(pages && {
        pageToken: (claims: PageClaims, expiresInSeconds: number) =>
          signPageToken(claims, { ...pages, expiresInSeconds }),
      }),
    }
  },
})

/** What is only asked about is no news of what Slack does. */
const unheard: Pick<ProviderParts, 'counters' | 'alarms'> = { counters: { count() {} }, alarms: { raise() {} } }

function pagesWith(secret: string | undefined, parts: Omit<PageParts, 'secret'>): PageParts | undefined {
  return secret === undefined ? undefined : { ...parts, secret }
}

/** Without a secret no page has a door, so nobody gets here: whoever does finds nothing. */
function open(pages: PageParts | undefined): PageParts {
  if (pages === undefined) throw new Refusal('not_found', 'There is nothing here.')
  return pages
}
