import { describe, expect, it } from 'vitest'
import { steered } from '../../../src/steering/region-overrides.ts'
import { topology } from '../resolve/directory-content.ts'

const file = topology('us', { name: 'eu', state: 'draining' }, 'ap')

describe('the regions in effect', () => {
  it('are those of the file where nothing is said over it', () => {
    expect(steered(file, {})).toBe(file)
  })

  it('have the states that were said over it, in the order of the file', () => {
    const { regions } = steered(file, { ap: 'down', eu: 'down' })
    expect(regions.map(({ name, state }) => `${name} ${state}`)).toEqual(['us active', 'eu down', 'ap down'])
  })

  it('are the same by their names', () => {
    const { byName, regions } = steered(file, { ap: 'down' })
    expect([...byName.values()]).toEqual(regions)
  })

  it('are not more by an override that names none of them', () => {
    expect(steered(file, { mars: 'down' })).toBe(file)
  })

  it('leave the file as it is', () => {
    steered(file, { us: 'down' })
    expect(file.byName.get('us')?.state).toBe('active')
  })
})
