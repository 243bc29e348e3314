import { describe, expect, it } from 'vitest'
import type { InstallationKey, Lookup } from '../../../src/directory/directory.ts'
import { resolve } from '../../../src/resolve/resolve.ts'
import { installation, organization, topology } from './directory-content.ts'

const key: InstallationKey = { by: 'external', provider: 'test', appId: '', externalId: 'W1' }

function resolved(lookup: Lookup, hint?: { by: 'id'; ids: string[] }) {
  const asked: InstallationKey[] = []
  const directory = {
    find: async (asking: InstallationKey) => {
      asked.push(asking)
      return lookup
    },
  }
  return { asked, resolution: resolve({ installation: key, hint }, directory, topology('us', 'eu')) }
}

describe('resolving a request', () => {
  it("asks the directory for the request's installation", async () => {
    const { asked, resolution } = resolved({ verdict: 'absent' })
    await resolution
    expect(asked).toEqual([key])
  })

  it('is absent where there is no integration', async () => {
    expect(await resolved({ verdict: 'absent' }).resolution).toEqual({ kind: 'absent' })
  })

  it('is unknown, never absent, where the directory could not be asked', async () => {
    const cause = new Error('it is away')
    expect(await resolved({ verdict: 'unknown', cause }).resolution).toEqual({ kind: 'unknown', cause })
  })

  it.each(['found', 'stale'] as const)('routes an installation that is %s, and says how old it is', async (verdict) => {
    const content = installation([organization('10', 'us'), organization('11', 'eu')])
    const { resolution } = resolved({ verdict, installation: content, ageMs: 7 }, { by: 'id', ids: ['11'] })
    expect(await resolution).toMatchObject({
      kind: 'routed',
      verdict,
      ageMs: 7,
      route: { integration: content.integration, hint: 'used', regions: [{ name: 'eu' }] },
    })
  })

  it('is inactive where nobody uses the installation', async () => {
    const content = installation([])
    expect(await resolved({ verdict: 'found', installation: content, ageMs: 0 }).resolution).toEqual({
      kind: 'inactive',
      integration: content.integration,
      verdict: 'found',
    })
  })
})
