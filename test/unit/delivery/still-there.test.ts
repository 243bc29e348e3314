import { expect, it } from 'vitest'
import { stillThere } from '../../../src/delivery/still-there.ts'
import type { Lookup, Organization, Status } from '../../../src/directory/directory.ts'
import { installation, organization } from '../resolve/directory-content.ts'

const asked = {
  name: 'eu',
  organizations: [
    { id: '10', epoch: 0 },
    { id: '11', epoch: 0 },
  ],
}
const ask = (lookup: Lookup) =>
  stillThere({ provider: 'slack', integration: '1' }, asked, { find: () => Promise.resolve(lookup) })
const found = (organizations: Organization[], status: Status = 'active'): Lookup => ({
  verdict: 'found',
  ageMs: 0,
  installation: installation(organizations, { status }),
})

it('a region is asked again for those of its organizations that are there, as they are now', async () => {
  const others = [organization('11', 'us'), organization('12', 'eu')]
  expect(await ask(found([{ ...organization('10', 'eu'), epoch: 2 }, ...others]))).toEqual([{ id: '10', epoch: 2 }])
})

it.each<[string, Lookup]>([
  ['have moved', found([organization('10', 'us'), organization('11', 'ap')])],
  ['are not linked any more', found([organization('12', 'eu')])],
  ['belong to an integration that is disabled', found([organization('10', 'eu')], 'disabled')],
  ['belong to an integration that is not there any more', { verdict: 'absent' }],
])('a region is not asked again for organizations that %s', async (_, lookup) => {
  expect(await ask(lookup)).toBe('moved')
})

it('a region is not asked again for an organization that is held', async () => {
  expect(await ask(found([{ ...organization('10', 'eu'), held: true }, organization('11', 'us')]))).toBe('held')
})

it('a region is not asked again while the store cannot say who is there', async () => {
  expect(await ask({ verdict: 'unknown', cause: 'away' })).toBe('directory_away')
})
