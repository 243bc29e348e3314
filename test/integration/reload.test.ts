import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { createManualClock } from '../support/manual-clock.ts'
import { startFakeRegion, type Answer, type FakeRegion } from '../support/fake-region.ts'
import { blockActions, blockSuggestion } from '../support/slack-payloads.ts'
import { startTestGateway, workspace } from '../support/test-gateway.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function region(answer?: Answer): Promise<FakeRegion> {
  const fake = await startFakeRegion(answer)
  closing.push(() => fake.close())
  return fake
}

const says =
  (body: string): Answer =>
  (res) =>
    res.end(body)

/** A gateway whose regions file and signing secrets are ours to change. */
async function reloadable(regions: readonly Record<string, unknown>[], organizations: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
  closing.push(() => rm(folder, { recursive: true }))
  const regionsFile = join(folder, 'regions.yaml')
  const secretsFile = join(folder, 'secrets')
  const writeRegions = (content: unknown, slack?: unknown) =>
    writeFile(regionsFile, stringify({ version: 1, regions: content, ...(slack !== undefined && { slack }) }))
  const writeSecrets = (text: string) => writeFile(secretsFile, text)
  await writeRegions(regions)
  await writeSecrets('the-first-secret')
  const clock = createManualClock()
  const gateway = await startTestGateway({
    regions: [],
    clock,
    directory: workspace(organizations),
    env: { REGIONS_FILE: regionsFile, SLACK_SIGNING_SECRETS: undefined, SLACK_SIGNING_SECRETS_FILE: secretsFile },
  })
  closing.push(() => gateway.close())
  const suggestion = blockSuggestion()
  const click = blockActions()
  return {
    ...gateway,
    regionsFile,
    writeRegions,
    writeSecrets,
    reload: () => gateway.gateway.reload(),
    options: (secret = 'the-first-secret') =>
      gateway.post('/extensions/slack/options-load/', suggestion.body, { ...suggestion, secret }),
    action: () => gateway.post('/extensions/slack/action/', click.body, { ...click, secret: 'the-first-secret' }),
  }
}

describe('a reload', () => {
  it('puts a changed address into effect', async () => {
    const [before, after] = [await region(says('before')), await region(says('after'))]
    const gateway = await reloadable([{ name: 'eu', address: before.url }], { acme: 'eu' })
    expect((await gateway.options()).text).toBe('before')
    await gateway.writeRegions([{ name: 'eu', address: after.url }])
    expect((await gateway.options()).text).toBe('before')
    expect(gateway.reload()).toEqual([])
    expect((await gateway.options()).text).toBe('after')
    await expect.poll(() => before.connections()).toBe(0)
  })

  it('puts new regions and their order into effect', async () => {
    const [us, eu] = [await region(says('us')), await region(says('eu'))]
    const entries = [
      { name: 'us', address: us.url },
      { name: 'eu', address: eu.url },
    ]
    const gateway = await reloadable(entries.slice(0, 1), { acme: 'us', beta: 'eu' })
    expect((await gateway.options()).text).toBe('us')
    await gateway.writeRegions(entries.toReversed())
    gateway.reload()
    expect((await gateway.options()).text).toBe('eu')
  })

  it('puts a state and the rules of a provider into effect', async () => {
    const eu = await region(says('eu'))
    const gateway = await reloadable([{ name: 'eu', address: eu.url }], { acme: 'eu' })
    await gateway.writeRegions([{ name: 'eu', address: eu.url, state: 'down' }], { local_actions: ['resolve'] })
    gateway.reload()
    expect((await gateway.options()).json()).toMatchObject({ regions: { eu: 'region_down' } })
    expect(await gateway.action()).toMatchObject({ status: 200, text: '' })
    expect(eu.requests).toEqual([])
  })

  it('lets what is in flight finish on the old regions', async () => {
    const held: ServerResponse[] = []
    const [old, young] = [await region((res) => held.push(res)), await region(says('new'))]
    const gateway = await reloadable([{ name: 'eu', address: old.url }], { acme: 'eu' })
    const reply = gateway.options()
    await old.nextRequest()
    await gateway.writeRegions([{ name: 'eu', address: young.url }])
    gateway.reload()
    expect((await gateway.options()).text).toBe('new')
    held[0]?.end('from the old one')
    expect(await reply).toMatchObject({ status: 200, text: 'from the old one' })
    await expect.poll(() => old.connections()).toBe(0)
  })

  it('keeps the connections of a region that has not changed', async () => {
    const [us, eu] = [await region(says('us')), await region(says('eu'))]
    const gateway = await reloadable([{ name: 'us', address: us.url }], { acme: 'us' })
    await gateway.options()
    await gateway.writeRegions([
      { name: 'us', address: us.url },
      { name: 'eu', address: eu.url },
    ])
    gateway.reload()
    await gateway.options()
    expect(await us.connections()).toBe(1)
  })

  it('puts new signing secrets into effect', async () => {
    const eu = await region(says('eu'))
    const gateway = await reloadable([{ name: 'eu', address: eu.url }], { acme: 'eu' })
    expect((await gateway.options('the-second-secret')).status).toBe(401)
    await gateway.writeSecrets('the-second-secret,the-first-secret\n')
    gateway.reload()
    expect((await gateway.options('the-second-secret')).status).toBe(200)
    expect((await gateway.options('the-first-secret')).status).toBe(200)
    await gateway.writeSecrets('the-second-secret')
    gateway.reload()
    expect((await gateway.options('the-first-secret')).status).toBe(401)
  })
})

describe('a reload of what is not valid', () => {
  const failures = 'config_reload_failed_total'

  it('keeps the old regions, is counted, and names the fault', async () => {
    const eu = await region(says('eu'))
    const gateway = await reloadable([{ name: 'eu', address: eu.url }], { acme: 'eu' })
    await gateway.writeRegions([{ name: 'eu', address: 'ftp://nowhere' }])
    expect(gateway.reload()).toEqual([expect.stringMatching(/regions\.yaml:\d+:\d+ regions\[0\]\.address /)])
    expect(gateway.gateway.counters.read().get(failures)).toBe(1)
    expect(gateway.logs).toContainEqual(expect.objectContaining({ level: 'error' }))
    expect((await gateway.options()).text).toBe('eu')
  })

  it.each([
    ['no YAML', (file: string) => writeFile(file, 'regions: [')],
    ['gone', (file: string) => rm(file)],
  ])('keeps the old regions where the file is %s', async (_, spoil) => {
    const eu = await region(says('eu'))
    const gateway = await reloadable([{ name: 'eu', address: eu.url }], { acme: 'eu' })
    await spoil(gateway.regionsFile)
    expect(gateway.reload()).toHaveLength(1)
    expect(gateway.gateway.counters.read().get(failures)).toBe(1)
    expect((await gateway.options()).text).toBe('eu')
  })

  it('changes nothing at all: good regions wait for secrets that are good too', async () => {
    const [before, after] = [await region(says('before')), await region(says('after'))]
    const gateway = await reloadable([{ name: 'eu', address: before.url }], { acme: 'eu' })
    await gateway.writeRegions([{ name: 'eu', address: after.url }])
    await gateway.writeSecrets(' ')
    expect(gateway.reload()).toHaveLength(1)
    expect((await gateway.options()).text).toBe('before')
    await gateway.writeSecrets('the-first-secret')
    expect(gateway.reload()).toEqual([])
    expect((await gateway.options()).text).toBe('after')
  })
})
