import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { IdentityStore } from '../../directory/identities.ts'
import { catalogue, Refusal, SiloClientError } from '../../errors.ts'
import type { Identified, ReceivedWebhook, Reply } from '../../provider.ts'
import type { Alarms } from '../../telemetry/alarm.ts'
import type { PageAdmission } from './admit.ts'
import type { PageDoor } from './doors.ts'
import { decodeUtf8, parseForm } from './form.ts'
import { html, htmlPage, type Page } from './html.ts'
import { invalidToken } from './page-token.ts'
import type { SlackRequest } from './request.ts'

/** What the signed pages are built from. */
export interface PageParts {
  readonly provider: string
  readonly secret: string
  readonly clock: Clock
  readonly identities: IdentityStore
  readonly alarms: Alarms
}

/** The request for a page that a region answers. */
export function identifyPage(
  { door, claims: { integrationId, organizationId } }: PageAdmission,
  { delivery }: Pick<ReceivedWebhook, 'delivery'>,
  provider: string,
): Identified<SlackRequest> {
  return {
    kind: 'request',
    request: {
      kind: 'page',
      surface: 'page',
      type: door.purpose,
      installation: { by: 'id', provider, id: integrationId },
      foundIn: 'token.integration_id',
      hint: organizationId === undefined ? undefined : { by: 'id', ids: [organizationId] },
      // A browser asks for a page as often as it likes; no two times are the same request.
      dedupKey: delivery,
      remember: 'nothing',
      signedBy: '',
    },
  }
}

/**
 * The identity pages: GET asks the person who is signed in, POST stores or removes the link between them and the Slack
 * user of the token. Throws `invalid_page_token` for a link or a form that is not good (any more), `not_signed_in`, and
 * a `SiloClientError` where the store cannot be asked.
 */
export async function answerIdentityPage(
  { door, claims: { integrationId, externalUserId } }: PageAdmission,
  webhook: ReceivedWebhook,
  { provider, secret, identities, alarms }: PageParts,
): Promise<Reply> {
  if (externalUserId === undefined) throw invalidToken()
  const { user } = webhook.peer
  if (user === undefined) throw new Refusal('not_signed_in', 'Sign in first, then open the link from Slack again.')
  const fromStore = async <Result>(asking: Promise<Result>): Promise<Result> =>
    await asking.catch((cause: unknown) => {
      alarms.raise('error', 'identities', { err: cause }, 'The database could not be asked for an identity page')
      throw new SiloClientError([], { cause })
    })
  const workspace = await fromStore(identities.integrationName(provider, integrationId))
  if (workspace === undefined) throw invalidToken()

  const facts = html`<dl>
    <div>
      <dt>You</dt>
      <dd>${user}</dd>
    </div>
    <div>
      <dt>Workspace</dt>
      <dd>${workspace}</dd>
    </div>
    <div>
      <dt>Slack user</dt>
      <dd>${externalUserId}</dd>
    </div>
  </dl>`
  const unlinking = door.purpose === 'unlink-identity'
  const formKey = formKeyFor(door, user, secret)
  if (webhook.method !== 'POST') {
    const title = unlinking ? 'Unlink your Slack account?' : 'Link your Slack account?'
    const consequence = unlinking
      ? 'What you do in this workspace will no longer count as done by you.'
      : 'What you do in this workspace will count as done by you. Go on only if you asked for this in Slack yourself.'
    const content = html`<p>${consequence}</p>
      ${facts}
      <form method="post">
        <input type="hidden" name="form_key" value="${formKey}" />
        <button type="submit">${unlinking ? 'Unlink' : 'Link'}</button>
      </form>`
    return htmlPage({ status: 200, mood: 'asks', title, content })
  }

  refuseForeignForm(webhook, formKey)
  const identity = { integrationId, externalUserId, user }
  const outcome = unlinking ? afterUnlinking(await fromStore(identities.unlink(identity))) : linked
  if (!unlinking) await fromStore(identities.link(identity))
  return htmlPage({
    status: 200,
    ...outcome,
    content: html`${facts}
      <p>You can close this window and go back to Slack.</p>`,
  })
}

/** An error as a page: nothing of regions, addresses or causes, which are none of the reader's business. */
export function errorPage(error: Refusal | SiloClientError): Reply {
  if (error instanceof SiloClientError) {
    const content = html`<p>This could not be completed just now. Please try again in a moment.</p>`
    return htmlPage({ status: error.status, mood: 'warns', title: 'Something went wrong', content })
  }
  const { status, title } = catalogue[error.code]
  return htmlPage(
    { status, mood: 'warns', title, content: html`<p>${error.message}</p>` },
    Object.entries(error.headers).flat(),
  )
}

const linked = { mood: 'done', title: 'Your Slack account is linked' } as const

function afterUnlinking(removed: boolean): Pick<Page, 'mood' | 'title'> {
  return removed
    ? { mood: 'done', title: 'Your Slack account is unlinked' }
    : { mood: 'warns', title: 'Your Slack account was not linked' }
}

/**
 * Proves that a form came from our own page, shown to this very person for this very link: another site can neither
 * compute nor read it. Its key is derived, so that it can never pass for a token nor a token for it.
 */
function formKeyFor({ purpose, token }: PageDoor, user: string, secret: string): string {
  const key = createHmac('sha256', secret).update('form key of the identity pages').digest()
  return createHmac('sha256', key)
    .update(JSON.stringify([purpose, token, user]))
    .digest('base64url')
}

function refuseForeignForm({ headers, body, peer }: ReceivedWebhook, formKey: string): void {
  const given = Buffer.from(parseForm(decodeUtf8(body) ?? '')?.get('form_key')?.[0] ?? '')
  const expected = Buffer.from(formKey)
  const ours = given.length === expected.length && timingSafeEqual(given, expected)
  if (!ours || isForeign(headers.origin, headers['sec-fetch-site'], peer.host)) {
    throw new Refusal('invalid_page_token', 'This form was not sent from our page. Open the link from Slack again.')
  }
}

/**
 * A second lock, for the day a form key leaks. `Origin: null` is what a page under `Referrer-Policy: no-referrer`
 * itself sends (Fetch standard, "append a request Origin header"), so it is left to the form key.
 */
function isForeign(origin: string | undefined, site: string | string[] | undefined, host: string): boolean {
  if (site !== undefined && site !== 'same-origin') return true
  if (origin === undefined || origin === 'null') return false
  return hostOf(origin) === undefined || hostOf(origin) !== hostOf(`${origin.split(':')[0]}://${host}`)
}

function hostOf(address: string): string | undefined {
  return URL.canParse(address) ? new URL(address).host : undefined
}
