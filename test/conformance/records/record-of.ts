import { ulid } from 'ulid'
import type { Entry, OwnStory } from '../../../src/records/story.ts'

export const NOW = 1_750_000_000_000

/** A record of which a test says only what it is about. */
export function recordOf(fields: Fields): Entry {
  const { receivedAt = NOW, installation = 'T1', dedupKey = null, integration = '1', came = null } = fields
  const { organization = '10', regions = ['us', 'eu'], id = ulid(receivedAt), ...story } = fields
  return {
    installation,
    dedupKey,
    way: {
      integration: integration === null ? null : { ...INTEGRATION, id: integration },
      organizations: [{ ...ORGANIZATION, id: organization }],
      regions: [{ name: 'us', state: 'active', organizations: [organization] }],
    },
    story: {
      ...STORY,
      ...pick(story),
      id,
      received_at: new Date(receivedAt).toISOString(),
      installation: came,
      plan: { kind: 'all', rule: 'test', regions },
    },
  }
}

/** What a test says of a record. */
export type Fields = Partial<
  Pick<OwnStory, 'id' | 'surface' | 'type' | 'outcome' | 'status' | 'failed' | 'running' | 'content'>
> & {
  receivedAt?: number
  installation?: string
  dedupKey?: string
  /** null: nobody knew whose it was. */
  integration?: string | null
  /** In its story. */
  came?: OwnStory['installation']
  organization?: string
  regions?: string[]
}

function pick({ surface, type, outcome, status, failed, running, content }: Fields): Partial<OwnStory> {
  const given = { surface, type, outcome, status, failed, running, content }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const INTEGRATION = {
  name: 'Acme',
  app_id: null,
  external_id: 'T1',
  enterprise_id: null,
  default_organization_id: null,
  status: 'active',
} as const

const ORGANIZATION = {
  slug: 'acme',
  name: 'Acme',
  region: 'us',
  status: 'active',
  link_status: 'active',
  held: false,
  included: true,
  why_not: null,
} as const

const STORY: Omit<OwnStory, 'id' | 'received_at' | 'plan'> = {
  gateway: 'g1',
  surface: 'event',
  type: 'app_mention',
  outcome: 'passed_on',
  rule: null,
  code: null,
  failed: false,
  status: 200,
  answered_ms: 12.5,
  budget_ms: 2500,
  answered_from: 'us',
  running: false,
  door: { provider: 'slack', kind: 'webhook', surface: 'event' },
  request: null,
  installation: null,
  verified_by: null,
  lookup: null,
  hint: null,
  attempts: [],
  content: null,
}
