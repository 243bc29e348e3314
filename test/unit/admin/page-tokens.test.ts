import { expect, it } from 'vitest'
import { pageTokenRoutes } from '../../../src/admin/page-token-routes.ts'
import type { Route } from '../../../src/admin/route.ts'
import type { PageClaims } from '../../../src/provider.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const provider = (name: string) => ({
  name,
  pages: { userField: `${name}_user`, paths: (token: string) => ({ page: `/${name}/${token}/` }) },
  pageToken: ({ externalUserId }: PageClaims) => Promise.resolve(`token of ${externalUserId}`),
})

/** Asks for a token of an integration of the first of two providers, as somebody who is let in. */
async function ask(body: Record<string, unknown>): Promise<unknown> {
  const row = {
    id: '1',
    provider: 'one',
    appId: '',
    externalId: 'T1',
    name: 'x',
    version: 1,
    enterpriseId: undefined,
    defaultOrganizationId: undefined,
  }
  const [route]: Route[] = pageTokenRoutes({
    directory: { integration: () => Promise.resolve({ ...row, status: 'active' }) },
    providers: () => [provider('one'), provider('two')],
    audit: { record: () => Promise.resolve() },
    clock: createManualClock(),
  })
  const session = { session: undefined, cookieName: 'silo_session' }
  const caller = { author: 'ann', named: 'ann', ...session, address: '127.0.0.1', isHttps: false }
  const reply = await route?.answer({ params: {}, query: {}, body, headers: {}, author: 'ann', caller })
  return reply?.body
}

it('a page token is for the user by the integration’s provider’s own word, or by none’s', async () => {
  expect(await ask({ integration_id: 1, one_user: 'U1' })).toMatchObject({ token: 'token of U1' })
  expect(await ask({ integration_id: 1, external_user_id: 'U2' })).toMatchObject({ token: 'token of U2' })
})

it('a page token is for nobody by another provider’s word', async () => {
  await expect(ask({ integration_id: 1, two_user: 'U1' })).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ path: 'two_user', message: 'must be called one_user' }],
  })
})
