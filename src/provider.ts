import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { Clock } from './clock.ts'
import type { Id, InstallationKey } from './directory/directory.ts'
import type { IdentityStore } from './directory/identities.ts'
import type { Outcome, RegionReply, Wins } from './dispatch/region-result.ts'
import type { Refusal, SiloClientError } from './errors.ts'
import type { ListSecret } from './secrets/secret-uses.ts'
import type { Alarms } from './telemetry/alarm.ts'
import type { Counters } from './telemetry/counters.ts'
import type { Log } from './telemetry/log.ts'

/** The request line and headers, before a byte of the body is read. */
export interface RequestHead {
  readonly method: string
  /** Path and query, byte for byte as received. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  /** Flat name, value, … list: keeps repeated headers and their case. */
  readonly rawHeaders: readonly string[]
}

/** Who is at the other end of the connection, after `TRUSTED_PROXIES` has been applied. */
export interface Peer {
  /** Value of X-Forwarded-For towards the region: the believed chain, then the address of the connection. */
  readonly forwardedFor: string
  readonly proto: string
  readonly host: string
  /** Who is signed in, by the identity header of a trusted proxy. */
  readonly user: string | undefined
}

/** A webhook whose bytes are all here and untouched. */
export interface ReceivedWebhook extends RequestHead {
  /** One id per webhook, the same on every attempt and for every region (ULID). */
  readonly delivery: string
  readonly requestId: string
  readonly body: Buffer
  /** Unix milliseconds of the first byte. */
  readonly receivedAt: number
  /** The same instant and the moment the provider must have its answer, both on the monotonic clock. */
  readonly startedAt: number
  readonly deadline: number
  readonly peer: Peer
}

export interface Reply {
  readonly status: number
  /** Flat name, value, … list. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

/**
 * A path that belongs to a provider. Webhooks and region pages travel the journey; control pages are answered by the
 * control silo itself.
 */
export interface Door {
  readonly kind: 'webhook' | 'region_page' | 'control_page'
  /** As of a request; `any` where only what comes tells it. */
  readonly surface: string
  readonly methods: readonly string[]
}

/** Which of the integration's organizations a request means; hints that name none of them are ignored. */
export type OrganizationHint =
  /** The first organization, in id order, that is named. */
  | { readonly by: 'id'; readonly ids: readonly Id[] }
  /** Slugs, lower case. `pick: 'one'` takes the first organization in id order, `'those'` every one that is named. */
  | { readonly by: 'slug'; readonly slugs: readonly string[]; readonly pick: 'one' | 'those' }

/** What the journey needs to know of a request; everything else about it stays with its provider. */
export interface RoutableRequest {
  /** `event`: something that has happened, and nobody waits for what is said to it. Any other word: somebody does. */
  readonly surface: string
  /** The provider's own type of the request, for logs. */
  readonly type: string
  readonly installation: InstallationKey
  /** Where in the request the installation was named, for whoever has to explain the decision. */
  readonly foundIn: string
  readonly hint: OrganizationHint | undefined
  /** The same for a webhook the provider sends again. */
  readonly dedupKey: string
  /**
   * What one that comes again is answered with, once the first has been dealt with: that all is well, the first's
   * answer, or nothing (it is a request of its own).
   */
  readonly remember: 'status' | 'answer' | 'nothing'
  /** Unix milliseconds: when the provider says that it sent this, where it says so. */
  readonly sentAt?: number
  /** Whose secret verified it, as the provider's `signAgain` wants to be told. */
  readonly signedBy: string
  /** The fingerprint of that secret. */
  readonly verifiedBy?: string | undefined
}

/** What becomes of a request whose regions fail, or do not answer in time. */
export type Promised =
  /** It is taken over: `acknowledge` answers once every region has it or it waits for that region. */
  | { readonly kind: 'delivery' }
  /**
   * `acknowledge` answers at the deadline, and what a region says later is posted to `to`. When all regions fail
   * before, the `failure` is the provider's own `respond`, or an acknowledgement with the apology posted.
   */
  | { readonly kind: 'late_answer'; readonly to: string; readonly failure: 'respond' | 'post' }
  | { readonly kind: 'nothing' }

/** What is posted to whoever is owed an answer. */
export interface LateMessage {
  readonly contentType: string
  readonly body: Buffer
}

/** `answered`: the control silo answers by itself, `rule` says by which rule. */
export type Identified<Request> =
  | { readonly kind: 'answered'; readonly rule: string; readonly surface: string; readonly reply: Reply }
  | { readonly kind: 'request'; readonly request: Request }

/** A body that came from nobody: what it would mean is to be told. */
export interface UnsignedBody {
  readonly contentType: string | undefined
  readonly bytes: Buffer
  /** The app whose secret would have verified it; undefined: whichever would. */
  readonly appId: string | undefined
}

/**
 * Whom to ask, and what may be passed on: `success` is a 2xx, `reply` anything below 500. For `all`, an empty 2xx waits
 * up to `preferBodyForMs` for a 2xx with a body; 0 takes the first 2xx.
 */
export type FanOut =
  | { readonly to: 'first'; readonly wins: Wins }
  | { readonly to: 'all'; readonly wins: Wins; readonly preferBodyForMs: number }

/** What a head proved. A provider adds what it has read there, for `identify` to go on from. */
export interface Admission {
  /** Whether the head carries a signature; a body without one is only read up to 4 KiB. */
  readonly signed: boolean
}

/**
 * What a provider tells the gateway. Methods are called in this order; each may throw a `Refusal`.
 * (Method syntax on purpose: a provider's own doors, admissions and requests stay assignable to the neutral ones.)
 */
export interface Provider<Request extends RoutableRequest = RoutableRequest> {
  readonly name: string
  /** Milliseconds from a webhook's first byte to our answer. */
  readonly budgetMs: number
  /** Which door a path (without query) is, if it is this provider's. */
  match(path: string): Door | undefined
  /** Judges the head before the body is read: throws on a signature that can never verify. */
  admit(door: Door, head: RequestHead): Admission | Promise<Admission>
  /** Proves that the request is the provider's and reads what it is. */
  identify(admission: Admission, webhook: ReceivedWebhook): Identified<Request> | Promise<Identified<Request>>
  /**
   * What `identify` would make of this body, were it signed: nothing is proven, counted or told about. Not for control
   * pages.
   */
  read(door: Door, body: UnsignedBody): Identified<Request> | Promise<Identified<Request>>
  fanOut(request: Request): FanOut
  /** The rule by which `fanOut` has chosen, as one word. */
  planRule(request: Request): string
  /** No integration: the reply, or a thrown `unknown_integration`. */
  unknownIntegration(request: Request, head: RequestHead): Reply
  /** The integration is disabled or no organization is linked: an answer that stops the provider asking. */
  inactive(request: Request): Reply
  /** What the provider hears. Throws a `SiloClientError` where its users are best served by an error. */
  respond(request: Request, outcome: Outcome): Reply
  promise(request: Request): Promised
  /** That all is well: what is promised is taken care of. */
  acknowledge(request: Request): Reply
  /** What a region's late 2xx says to whoever is owed an answer; undefined: nothing. */
  lateMessage(reply: RegionReply): LateMessage | undefined
  /** `failed`: nothing was done, or it is known that it went wrong. `unknown`: it may have been carried out. */
  apology(why: 'failed' | 'unknown'): LateMessage
  /** Whether a late answer may be posted there today: what is kept from yesterday is asked for again. */
  mayPostTo(url: string): boolean
  /**
   * The headers with the provider's signature made anew, of now and by the newest secret there is for `signedBy`:
   * a request that has waited would be taken for a replay. Undefined: there is no such secret any more.
   */
  signAgain(request: { rawHeaders: readonly string[]; body: Buffer; signedBy: string }): string[] | undefined
  /** The error in the shape this door's readers expect; undefined: a problem document. */
  renderError(door: Door, error: Refusal | SiloClientError): Reply | undefined
  /** Answers a control page, in place of `identify` and all that follows. */
  answerControlPage(admission: Admission, webhook: ReceivedWebhook): Promise<Reply>
  /** Signs the token in a page's path; absent where no page has a door. Throws a `RangeError` for a bad lifetime. */
  pageToken?(claims: PageClaims, expiresInSeconds: number): Promise<string>
  /** What a record may show of its webhooks' headers and bodies. */
  readonly disclosure: Disclosure
  /** Where the provider itself steps in; absent where it says of no such line. */
  readonly limits?: ProviderLimits
  /** What its signed pages go by: its own word for the user in a token, and the paths of a token's pages, by name. */
  readonly pages?: {
    readonly userField: string
    readonly paths: (token: string) => Readonly<Record<string, string>>
  }
}

/** The lines at which a provider sends less, or nothing more. Its events count, within an hour, and no other webhooks. */
export interface ProviderLimits {
  /** An answer later than this many milliseconds after the first byte is none. */
  readonly waitsMs: number
  /** The share of failed events, 0 to 1, beyond which it sends none any more. */
  readonly failedShare: number
  /** How many events of an installation it sends. */
  readonly deliveriesPerHour: number
  /** The rule by which `identify` answers its word that it leaves events out. */
  readonly throttledRule: string
  /** The same for whoever operates the gateway. */
  readonly says: string
}

/** What may be shown of a webhook: of its headers only those that are named, of its body all but its secrets. */
export interface Disclosure {
  /** Lower case. */
  readonly headers: ReadonlySet<string>
  /** Matches the name of a field whose value is a secret, however deep in the body. */
  readonly secretName: RegExp
  /** Matches a secret anywhere in a text. Global. */
  readonly secretText: RegExp
}

/** What a link to a signed page says. */
export interface PageClaims {
  readonly integrationId: Id
  readonly organizationId?: Id | undefined
  /** The provider's user that an identity page is about. */
  readonly externalUserId?: string | undefined
}

/** What a provider is built from, besides its own settings. */
export interface ProviderParts {
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  readonly alarms: Alarms
  readonly identities: IdentityStore
  /** To be told of each signing secret, newest first; what verifies a webhook says so in what this returns. */
  readonly listSecret: ListSecret
}

/**
 * A provider before it is configured: the environment variables and the `regions.yaml` section it wants, and how to
 * build it from them. Registered in one place, `providers/index.ts`.
 */
export interface ProviderDefinition<
  Environment extends z.ZodObject = z.ZodObject,
  Rules extends z.ZodType = z.ZodType,
> {
  /** Also the name of its section in `regions.yaml` and of its rows in the directory. */
  readonly name: string
  /** Keys are the variables' names. Values arrive as text, or undefined. */
  readonly environment: Environment
  readonly rules: Rules
  create(settings: { environment: z.output<Environment>; rules: z.output<Rules> }, parts: ProviderParts): Provider
}
