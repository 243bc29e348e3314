import { hash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import type { SecretUseStore } from './secret-use-store.ts'

/** Whoever uses the secret says so by an assignment: that is all it costs. Unix milliseconds; 0: not yet. */
export interface SecretUse {
  lastUsedAt: number
  /** The first 12 hexadecimal digits of its SHA-256; absent where nobody keeps track. */
  readonly fingerprint?: string
}

/** One of a list of secrets that replace one another, such as `SLACK_SIGNING_SECRETS`. */
export interface ListedSecret {
  /** The variable it comes from. */
  readonly name: string
  /** What it is for, where that is told: one app of a provider, or the id that stands before it. */
  readonly owner: { readonly app_id?: string; readonly id?: string }
  readonly value: string | Uint8Array
  /** False: it is there, and nothing would use it. */
  readonly inUse: boolean
}

/** Takes down which secrets there are, in the order of their lists: newest first. */
export type ListSecret = (secret: ListedSecret) => SecretUse

/** A secret as an operator may see it: never itself. */
export interface SecretListing {
  readonly name: string
  readonly owner: ListedSecret['owner']
  /** The first 12 hexadecimal digits of its SHA-256. */
  readonly fingerprint: string
  /** In its list; 1 is the newest. */
  readonly position: number
  readonly inUse: boolean
  /** Unix milliseconds, by any process of the fleet; null: never, as far as anybody knows. */
  readonly lastUsedAt: number | null
}

/** The secrets of one configuration. */
export interface SecretList {
  readonly list: ListSecret
  /** Rejects when the database cannot be asked. */
  read(): Promise<SecretListing[]>
}

/** When each secret was last used: an old one that no longer is can be taken out. */
export interface SecretUses {
  /** For a new configuration; a secret that was there before keeps what is known of it. */
  begin(): SecretList
  /** Writes down every minute what has been used. */
  start(): void
  /** The last time; rejects never. */
  stop(): Promise<void>
}

/** Seconds do not matter to somebody who waits until a secret has not been used for days. */
const WRITE_MS = 60_000

export function createSecretUses({
  store,
  clock,
  alarms,
}: {
  readonly store: SecretUseStore
  readonly clock: Clock
  readonly alarms: Alarms
}): SecretUses {
  /** By name and fingerprint; `writtenAt` is the use that the store knows of. */
  const uses = new Map<string, { name: string; fingerprint: string; use: SecretUse; writtenAt: number }>()
  let cancel = (): void => {}

  async function write(): Promise<void> {
    const news = [...uses.values()].filter(({ use, writtenAt }) => use.lastUsedAt > writtenAt)
    if (news.length === 0) return
    const rows = news.map(({ name, fingerprint, use }) => ({ name, fingerprint, lastUsedAt: use.lastUsedAt }))
    try {
      await store.write(rows)
      for (const [at, known] of news.entries()) known.writtenAt = rows[at]?.lastUsedAt ?? 0
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      alarms.raise('warn', 'secret uses', { reason }, 'When secrets were last used could not be written down')
    }
  }

  function later(): void {
    cancel = clock.after(WRITE_MS, () => void write().finally(later))
  }

  return {
    begin() {
      const listed: { secret: ListedSecret; fingerprint: string; position: number; use: SecretUse }[] = []
      return {
        list(secret) {
          const fingerprint = fingerprintOf(secret.value)
          const key = keyOf(secret.name, fingerprint)
          const known = uses.get(key) ?? {
            name: secret.name,
            fingerprint,
            use: { lastUsedAt: 0, fingerprint },
            writtenAt: 0,
          }
          uses.set(key, known)
          const position = listed.filter((other) => other.secret.name === secret.name).length + 1
          listed.push({ secret, fingerprint, position, use: known.use })
          return known.use
        },
        async read() {
          const stored = new Map(
            (await store.read()).map(({ name, fingerprint, lastUsedAt }) => [keyOf(name, fingerprint), lastUsedAt]),
          )
          return listed.map(({ secret: { name, owner, inUse }, fingerprint, position, use }) => {
            const lastUsedAt = Math.max(use.lastUsedAt, stored.get(keyOf(name, fingerprint)) ?? 0)
            return { name, owner, fingerprint, position, inUse, lastUsedAt: lastUsedAt === 0 ? null : lastUsedAt }
          })
        },
      }
    },
    start: later,
    async stop() {
      cancel()
      await write()
    },
  }
}

/** Tells secrets apart, and gives none of them away. */
function fingerprintOf(secret: string | Uint8Array): string {
  return hash('sha256', secret).slice(0, 12)
}

function keyOf(name: string, fingerprint: string): string {
  return `${name} ${fingerprint}`
}
