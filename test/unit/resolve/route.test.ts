import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Installation } from '../../../src/directory/directory.ts'
import type { OrganizationHint } from '../../../src/provider.ts'
import type { Topology } from '../../../src/regions/regions.ts'
import { routeFor } from '../../../src/resolve/route.ts'
import { installation, organization, topology } from './directory-content.ts'

const regionsOf = (content: Installation, among: Topology, hint?: OrganizationHint) =>
  routeFor(content, hint, among)?.regions.map(({ name }) => name)

const organizationsOf = (content: Installation, hint?: OrganizationHint) =>
  routeFor(content, hint, topology('us', 'eu', 'ap'))?.organizations.map(({ id }) => id)

describe('the regions of an installation', () => {
  it('come in the order of the regions file, each once, with the organizations it has', () => {
    const content = installation([organization('10', 'ap'), organization('11', 'us'), organization('12', 'ap')])
    const among = topology('us', 'eu', 'ap')
    expect(routeFor(content, undefined, among)).toEqual({
      integration: content.integration,
      organizations: content.organizations,
      hint: 'none',
      regions: [
        { name: 'us', region: among.byName.get('us'), organizations: [organization('11', 'us')] },
        {
          name: 'ap',
          region: among.byName.get('ap'),
          organizations: [organization('10', 'ap'), organization('12', 'ap')],
        },
      ],
    })
  })

  it("begin with the default organization's", () => {
    const content = installation([organization('10', 'us'), organization('11', 'ap')], { defaultOrganizationId: '11' })
    expect(regionsOf(content, topology('us', 'eu', 'ap'))).toEqual(['ap', 'us'])
  })

  it('keep the order of the file where the default organization is not linked', () => {
    const content = installation([organization('10', 'us'), organization('11', 'ap')], { defaultOrganizationId: '99' })
    expect(regionsOf(content, topology('us', 'eu', 'ap'))).toEqual(['us', 'ap'])
  })

  it('keep the order of the file where the request means another organization than the default one', () => {
    const content = installation([organization('10', 'us'), organization('11', 'ap'), organization('12', 'eu')], {
      defaultOrganizationId: '10',
    })
    const hint: OrganizationHint = { by: 'slug', slugs: ['org-11', 'org-12'], pick: 'those' }
    expect(regionsOf(content, topology('us', 'ap', 'eu'), hint)).toEqual(['ap', 'eu'])
  })

  it('keep their order whatever their state', () => {
    const among = topology({ name: 'us', state: 'down' }, { name: 'eu', state: 'draining' }, 'ap')
    const content = installation([organization('10', 'ap'), organization('11', 'eu'), organization('12', 'us')])
    expect(regionsOf(content, among)).toEqual(['us', 'eu', 'ap'])
  })

  it('end with those that the regions file does not know, by name', () => {
    const content = installation([organization('10', 'mars'), organization('11', 'luna'), organization('12', 'eu')])
    const route = routeFor(content, undefined, topology('us', 'eu'))
    expect(route?.regions.map(({ name, region }) => [name, region?.name])).toEqual([
      ['eu', 'eu'],
      ['luna', undefined],
      ['mars', undefined],
    ])
  })

  it("end with an unknown one even where it is the default organization's", () => {
    const content = installation([organization('10', 'mars'), organization('11', 'eu')], {
      defaultOrganizationId: '10',
    })
    expect(regionsOf(content, topology('us', 'eu'))).toEqual(['eu', 'mars'])
  })

  it('cover every organization exactly once', () => {
    const regionName = fc.constantFrom('us', 'eu', 'ap', 'luna', 'mars')
    fc.assert(
      fc.property(
        fc.array(regionName, { minLength: 1, maxLength: 12 }),
        fc.option(fc.nat(15), { nil: undefined }),
        (places, preferred) => {
          const organizations = places.map((region, index) => organization(String(index), region))
          const content = installation(organizations, {
            defaultOrganizationId: preferred === undefined ? undefined : String(preferred),
          })
          const regions = routeFor(content, undefined, topology('us', 'eu', 'ap'))?.regions ?? []
          const covered = regions.flatMap((routed) => routed.organizations)
          expect(new Set(covered)).toEqual(new Set(organizations))
          expect(covered).toHaveLength(organizations.length)
          expect(regions.every((routed) => routed.organizations.every(({ region }) => region === routed.name))).toBe(
            true,
          )
        },
      ),
    )
  })
})

describe('narrowing', () => {
  const three = installation([organization('10', 'us'), organization('11', 'eu'), organization('12', 'ap')])

  it('by id takes the first organization, in id order, that is named', () => {
    expect(organizationsOf(three, { by: 'id', ids: ['12', '11'] })).toEqual(['11'])
  })

  it('by one slug takes the first that is named', () => {
    expect(organizationsOf(three, { by: 'slug', slugs: ['org-12', 'org-11'], pick: 'one' })).toEqual(['11'])
  })

  it('by links takes all that are named', () => {
    expect(organizationsOf(three, { by: 'slug', slugs: ['org-12', 'org-10'], pick: 'those' })).toEqual(['10', '12'])
  })

  it('compares slugs without case', () => {
    const loud = installation([organization('10', 'us'), { ...organization('11', 'eu'), slug: 'LOUD' }])
    expect(organizationsOf(loud, { by: 'slug', slugs: ['loud'], pick: 'one' })).toEqual(['11'])
  })

  it.each<OrganizationHint>([
    { by: 'id', ids: ['99'] },
    { by: 'id', ids: [] },
    { by: 'slug', slugs: ['nobody'], pick: 'one' },
    { by: 'slug', slugs: ['nobody'], pick: 'those' },
  ])('ignores a hint that names none of them: %j', (hint) => {
    const route = routeFor(three, hint, topology('us', 'eu', 'ap'))
    expect(route).toMatchObject({ hint: 'ignored', organizations: three.organizations })
  })

  it('says that the hint was used', () => {
    expect(routeFor(three, { by: 'id', ids: ['11'] }, topology('us', 'eu'))).toMatchObject({ hint: 'used' })
  })

  it('asks only the regions of those that are left', () => {
    expect(regionsOf(three, topology('us', 'eu', 'ap'), { by: 'id', ids: ['12'] })).toEqual(['ap'])
  })
})

describe('an installation without a route', () => {
  it('is one that is disabled', () => {
    const disabled = installation([organization('10', 'us')], { status: 'disabled' })
    expect(routeFor(disabled, undefined, topology('us'))).toBeUndefined()
  })

  it('is one without organizations', () => {
    expect(routeFor(installation([]), undefined, topology('us'))).toBeUndefined()
  })
})
