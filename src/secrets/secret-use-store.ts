import type { ColumnType } from 'kysely'
import type { Connections } from '../database/connections.ts'

interface SecretUseSchema {
  secret_uses: {
    name: string
    fingerprint: string
    /** Unix milliseconds. */
    last_used_at: ColumnType<bigint | string, bigint, bigint>
  }
}

export interface StoredSecretUse {
  readonly name: string
  readonly fingerprint: string
  /** Unix milliseconds. */
  readonly lastUsedAt: number
}

/** When secrets were last used, by whichever process of a fleet. */
export interface SecretUseStore {
  /** Keeps the later of what is there and what is given. */
  write(uses: readonly StoredSecretUse[]): Promise<void>
  read(): Promise<StoredSecretUse[]>
}

export function createSecretUseStore<Schema>(
  connections: Pick<Connections<Schema>, 'lookUps' | 'writes'>,
): SecretUseStore {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the same database, whose migrations made it
  const { lookUps, writes } = connections as unknown as Connections<SecretUseSchema>
  return {
    async write(uses) {
      // In one order, so that two instances that write side by side never wait for each other.
      const rows = uses
        .map(({ name, fingerprint, lastUsedAt }) => ({ name, fingerprint, last_used_at: BigInt(lastUsedAt) }))
        .toSorted((a, b) => (`${a.name} ${a.fingerprint}` < `${b.name} ${b.fingerprint}` ? -1 : 1))
      await writes
        .insertInto('secret_uses')
        .values(rows)
        .onConflict((conflict) =>
          conflict
            .columns(['name', 'fingerprint'])
            .doUpdateSet((eb) => ({ last_used_at: eb.ref('excluded.last_used_at') }))
            .whereRef('excluded.last_used_at', '>', 'secret_uses.last_used_at'),
        )
        .execute()
    },
    async read() {
      const rows = await lookUps.selectFrom('secret_uses').selectAll().execute()
      return rows.map(({ name, fingerprint, last_used_at }) => ({
        name,
        fingerprint,
        lastUsedAt: Number(last_used_at),
      }))
    },
  }
}
