import type { Clock } from '../clock.ts'
import type { Connections } from '../database/connections.ts'
import type { IdentityStore } from './identities.ts'
import type { DirectorySchema } from './schema.ts'
import { toStored } from './id.ts'

/** Identities beside the integrations they belong to; they go with them. */
export function createIdentityStore(
  { lookUps, writes }: Pick<Connections<DirectorySchema>, 'lookUps' | 'writes'>,
  clock: Clock,
): IdentityStore {
  return {
    async link({ integrationId, externalUserId, user }) {
      const integration_id = toStored(integrationId)
      if (integration_id === undefined) throw new RangeError(`no integration can have the id ${integrationId}`)
      const created_at = BigInt(clock.now())
      await writes
        .insertInto('identities')
        .values({ integration_id, external_user_id: externalUserId, user_name: user, created_at })
        .onConflict((conflict) =>
          conflict.columns(['integration_id', 'external_user_id']).doUpdateSet({ user_name: user, created_at }),
        )
        .execute()
    },

    async unlink({ integrationId, externalUserId, user }) {
      const id = toStored(integrationId)
      if (id === undefined) return false
      const { numDeletedRows } = await writes
        .deleteFrom('identities')
        .where('integration_id', '=', id)
        .where('external_user_id', '=', externalUserId)
        .where('user_name', '=', user)
        .executeTakeFirstOrThrow()
      return numDeletedRows > 0n
    },

    async find(integrationId, externalUserId) {
      const id = toStored(integrationId)
      if (id === undefined) return undefined
      const row = await lookUps
        .selectFrom('identities')
        .select('user_name')
        .where('integration_id', '=', id)
        .where('external_user_id', '=', externalUserId)
        .executeTakeFirst()
      return row && { integrationId: String(id), externalUserId, user: row.user_name }
    },

    async integrationName(provider, integrationId) {
      const id = toStored(integrationId)
      if (id === undefined) return undefined
      const row = await lookUps
        .selectFrom('integrations')
        .select('name')
        .where('provider', '=', provider)
        .where('id', '=', id)
        .where('status', '=', 'active')
        .executeTakeFirst()
      return row?.name
    },
  }
}
