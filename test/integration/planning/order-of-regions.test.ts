import { describe, expect, it } from 'vitest'
import type { Answer } from '../../support/fake-region.ts'
import { expectProblem } from '../../support/expect-problem.ts'
import { startSilo, type Delivered, type Silo, type SiloOptions } from '../../support/silo.ts'
import { ACTION, SINGLE, surfaces, type Surface } from '../../support/slack-surfaces.ts'
import { blockActions, eventCallback, slashCommand, TEAM } from '../../support/slack-payloads.ts'
import { workspace, type DirectoryContent } from '../../support/test-gateway.ts'

const REGIONS = ['us', 'eu', 'ap']
const refusing: Answer = (res) => res.writeHead(404).end()

async function withSilo(options: SiloOptions, use: (silo: Silo) => Promise<void>): Promise<void> {
  const silo = await startSilo(options)
  try {
    await use(silo)
  } finally {
    await silo.close()
  }
}

const states = (given: Record<string, string>) =>
  Object.fromEntries(REGIONS.map((name) => [name, given[name] ? { state: given[name] } : {}]))

const resultsOf = ({ record }: Delivered) => record.regions?.map(({ region, result }) => `${region} ${result}`)

function linked(organizations: readonly (readonly [id: number, region: string])[], defaultId?: number) {
  return {
    integrations: [{ id: 1, provider: 'slack', external_id: TEAM, default_organization_id: defaultId }],
    organizations: organizations.map(([id, region]) => ({ id, slug: `org-${id}`, region, status: 'active' })),
    organization_integrations: organizations.map(([id]) => ({
      integration_id: 1,
      organization_id: id,
      status: 'active',
    })),
  }
}

const firstOnly = surfaces.filter(({ kind }) => kind === 'command' || kind === 'options' || kind === 'event')
const toAll = surfaces.filter((surface) => !firstOnly.includes(surface))

/** So that a failure is answered as one: there is nowhere to say it later, and no event waits. */
const nowhereElse = { response_url: undefined }
const slack = { events_on_failure: 'fail' }

/** Nobody was asked: an error of these regions, and a message where a command was typed. */
function expectFailure({ reply, asked }: Delivered, surface: Surface, regions: Record<string, string>): void {
  expect(asked).toEqual([])
  if (surface.kind !== 'command') return expectProblem(reply, 503, 'silo_client_error', { regions })
  expect(reply.status).toBe(200)
  expect(reply.json()).toMatchObject({ response_type: 'ephemeral', replace_original: false })
}

describe('the order of regions', () => {
  const cases: [what: string, directory: DirectoryContent, order: string[]][] = [
    ['that of regions.yaml', workspace({ acme: 'us', beta: 'eu', gamma: 'ap' }), ['us', 'eu', 'ap']],
    ['not that of the organizations', workspace({ acme: 'ap', beta: 'eu', gamma: 'us' }), ['us', 'eu', 'ap']],
    ['without those that nobody lives in', workspace({ acme: 'ap', beta: 'eu' }), ['eu', 'ap']],
    [
      'the default organization’s region first',
      workspace({ acme: 'us', beta: 'eu', gamma: 'ap' }, { default_organization_id: 12 }),
      ['ap', 'us', 'eu'],
    ],
    [
      'the default organization’s first although it comes first anyway',
      workspace({ acme: 'us', beta: 'eu' }, { default_organization_id: 10 }),
      ['us', 'eu'],
    ],
    [
      'each region once, with several organizations in it',
      linked([
        [10, 'ap'],
        [11, 'us'],
        [12, 'ap'],
        [13, 'us'],
      ]),
      ['us', 'ap'],
    ],
    [
      'each region once, the default organization’s among them',
      linked(
        [
          [10, 'us'],
          [11, 'ap'],
          [12, 'us'],
          [13, 'ap'],
          [14, 'eu'],
        ],
        13,
      ),
      ['ap', 'us', 'eu'],
    ],
    [
      'an unknown region last',
      linked([
        [10, 'atlantis'],
        [11, 'eu'],
        [12, 'us'],
      ]),
      ['us', 'eu', 'atlantis'],
    ],
    [
      'an unknown region last, although the default organization lives there',
      linked(
        [
          [10, 'atlantis'],
          [11, 'eu'],
          [12, 'us'],
        ],
        10,
      ),
      ['us', 'eu', 'atlantis'],
    ],
  ]
  it.each(cases)('is %s', async (_, directory, order) => {
    await withSilo({ regions: states({}), directory }, async (silo) => {
      const results = resultsOf(await silo.deliver(ACTION, blockActions()))
      expect(results).toEqual(
        order.map((name) => (name === 'atlantis' ? 'atlantis unknown_region' : `${name} answered`)),
      )
      for (const surface of firstOnly) {
        const { asked, reply } = await silo.deliver(SINGLE, surface.from(TEAM))
        expect([reply.status, asked]).toEqual([200, [order[0]]])
      }
    })
  })

  it('is of no account where the default organization’s link or the organization itself is not active', async () => {
    for (const table of ['organizations', 'organization_integrations'] as const) {
      const directory = linked(
        [
          [10, 'us'],
          [11, 'ap'],
        ],
        11,
      )
      const rows = directory[table].map((row, index) => (index === 1 ? { ...row, status: 'disabled' } : row))
      await withSilo({ regions: states({}), directory: { ...directory, [table]: rows } }, async (silo) => {
        const delivered = await silo.deliver(ACTION, blockActions())
        expect(resultsOf(delivered)).toEqual(['us answered'])
      })
    }
  })

  it('decides whose 4xx Slack gets: the first in order, whichever came first', async () => {
    const answers: Record<string, Answer> = {
      us: (res) => res.writeHead(409).end('us'),
      eu: (res) => res.writeHead(404).end('eu'),
      ap: (res) => res.writeHead(302, { Location: '/x' }).end('ap'),
    }
    const organizations = { acme: 'us', beta: 'eu', gamma: 'ap' }
    for (const [defaultId, status, text] of [
      [undefined, 409, 'us'],
      [11, 404, 'eu'],
      [12, 302, 'ap'],
    ] as const) {
      const directory = workspace(organizations, defaultId && { default_organization_id: defaultId })
      await withSilo({ regions: states({}), answers, directory }, async (silo) => {
        const { reply, asked } = await silo.deliver(ACTION, blockActions())
        expect([reply.status, reply.text, asked]).toEqual([status, text, REGIONS])
      })
    }
  })

  it('tells each region the organizations it is asked for, in id order', async () => {
    const directory = linked([
      [10, 'us'],
      [9, 'us'],
      [100, 'us'],
      [11, 'ap'],
    ])
    await withSilo({ regions: states({}), directory }, async (silo) => {
      const { sent } = await silo.deliver(ACTION, blockActions())
      expect(sent['us']?.headers['silo-organizations']).toBe('9,10,100')
      expect(sent['ap']?.headers['silo-organizations']).toBe('11')
    })
  })

  it('keeps ids beyond 2^53 apart', async () => {
    const big = '9007199254740993'
    const directory = linked(
      [
        [10, 'us'],
        [11, 'ap'],
      ],
      11,
    )
    const renamed = JSON.parse(
      JSON.stringify(directory).replaceAll(':11,', `:"${big}",`).replaceAll(':11}', `:"${big}"}`),
    )
    await withSilo({ regions: states({}), directory: renamed }, async (silo) => {
      const { asked, sent } = await silo.deliver(SINGLE, slashCommand())
      expect(asked).toEqual(['ap'])
      expect(sent['ap']?.headers['silo-organizations']).toBe(big)
    })
  })
})

describe.each([
  { state: 'down', reason: 'region_down' },
  { state: 'draining', reason: 'region_draining' },
])('a region that is $state', ({ state, reason }) => {
  const directory = workspace({ acme: 'us', beta: 'eu' })

  it('keeps its place: what goes to the first region fails, and the second is not asked', async () => {
    await withSilo({ regions: states({ us: state }), directory, slack }, async (silo) => {
      for (const surface of firstOnly) {
        expectFailure(await silo.deliver(SINGLE, surface.from(TEAM, nowhereElse)), surface, { us: reason })
      }
    })
  })

  it('keeps its place as the default organization’s', async () => {
    const options = { default_organization_id: 11 }
    await withSilo(
      { regions: states({ eu: state }), directory: workspace({ acme: 'us', beta: 'eu' }, options), slack },
      async (silo) => {
        for (const surface of firstOnly) {
          expectFailure(await silo.deliver(SINGLE, surface.from(TEAM, nowhereElse)), surface, { eu: reason })
        }
      },
    )
  })

  it('is not called among all, and the others answer', async () => {
    await withSilo({ regions: states({ us: state }), directory }, async (silo) => {
      for (const surface of toAll) {
        const delivered = await silo.deliver(SINGLE, surface.from(TEAM))
        expect([delivered.reply.status, delivered.reply.text, delivered.asked]).toEqual([200, 'eu', ['eu']])
        expect(resultsOf(delivered)).toEqual([`us ${reason}`, 'eu answered'])
      }
    })
  })

  it('is what an event that does not fail waits for, and the second is not asked', async () => {
    await withSilo({ regions: states({ us: state }), directory }, async (silo) => {
      const delivered = await silo.deliver(SINGLE, eventCallback())
      expect([delivered.reply.status, delivered.reply.text]).toEqual([200, ''])
      expect([delivered.record.outcome, resultsOf(delivered)]).toEqual(['spooled', [`us ${reason}`]])
      expect(delivered.asked).not.toContain('eu')
    })
  })

  it('fails an event to all regions that may fail only when no other takes it', async () => {
    const event = eventCallback({}, { type: 'app_uninstalled' })
    await withSilo({ regions: states({ us: state }), directory, slack }, async (silo) => {
      const { reply, asked } = await silo.deliver(SINGLE, event)
      expect([reply.status, reply.text, asked]).toEqual([200, '', ['eu']])
    })
    await withSilo({ regions: states({ us: state }), directory, slack, answers: { eu: refusing } }, async (silo) => {
      const { reply, asked } = await silo.deliver(SINGLE, event)
      expectProblem(reply, 502, 'silo_client_error', { regions: { us: reason, eu: 'http_404' } })
      expect(asked).toEqual(['eu'])
    })
  })

  it('is 503 when there is no other', async () => {
    await withSilo({ regions: states({ us: state, eu: state }), directory }, async (silo) => {
      for (const surface of toAll) {
        expectFailure(await silo.deliver(SINGLE, surface.from(TEAM, nowhereElse)), surface, { us: reason, eu: reason })
      }
    })
  })

  it('is no concern of a webhook that does not concern it', async () => {
    await withSilo({ regions: states({ ap: state }), directory }, async (silo) => {
      const delivered = await silo.deliver(ACTION, blockActions())
      expect(resultsOf(delivered)).toEqual(['us answered', 'eu answered'])
    })
  })
})

describe('a region that regions.yaml does not know', () => {
  it('is not asked, even alone', async () => {
    await withSilo({ regions: states({}), directory: workspace({ acme: 'atlantis' }), slack }, async (silo) => {
      for (const surface of surfaces) {
        expectFailure(await silo.deliver(SINGLE, surface.from(TEAM, nowhereElse)), surface, {
          atlantis: 'unknown_region',
        })
      }
    })
  })

  it('is counted each time, and raises one alarm for all of them', async () => {
    const directory = workspace({ acme: 'atlantis', beta: 'us' })
    await withSilo({ regions: states({}), directory }, async (silo) => {
      await silo.deliver(SINGLE, slashCommand())
      await silo.deliver(SINGLE, blockActions())
      expect(silo.gateway.counters.read().get('unknown_region_total')).toBe(2)
      const alarms = silo.logs.filter(({ level, fields }) => level === 'error' && fields['region'] === 'atlantis')
      expect(alarms).toHaveLength(1)
    })
  })

  it('does not keep the others from answering', async () => {
    const directory = workspace({ acme: 'atlantis', beta: 'us' })
    await withSilo({ regions: states({}), directory }, async (silo) => {
      for (const surface of surfaces) {
        const { reply, asked } = await silo.deliver(SINGLE, surface.from(TEAM))
        expect([reply.status, asked]).toEqual([200, ['us']])
      }
    })
  })
})
