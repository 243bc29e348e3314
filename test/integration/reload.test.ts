import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { createGateway } from '../../src/gateway.ts'
import { silentLog, type Log } from '../../src/telemetry/log.ts'
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
async function reloadable(
  regions: readonly Record<string, unknown>[],
  organizations: Record<string, string>,
  /** Variables that are given as files, by name. */
  variables: Record<string, string> = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
  closing.push(() => rm(folder, { recursive: true }))
  const regionsFile = join(folder, 'regions.yaml')
  const secretsFile = join(folder, 'secrets')
  const writeRegions = (content: unknown, slack?: unknown) =>
    writeFile(regionsFile, stringify({ version: 1, regions: content, ...(slack !== undefined && { slack }) }))
  const writeSecrets = (text: string) => writeFile(secretsFile, text)
  await writeRegions(regions)
  await writeSecrets('the-first-secret')
  const writeVariable = (name: string, text: string) => writeFile(join(folder, name), text)
  for (const [name, text] of Object.entries(variables)) await writeVariable(name, text)
  const files = Object.keys(variables).map((name) => [`${name}_FILE`, join(folder, name)])
  const clock = createManualClock()
  const gateway = await startTestGateway({
    regions: [],
    clock,
    directory: workspace(organizations),
    env: {
      REGIONS_FILE: regionsFile,
      SLACK_SIGNING_SECRETS: undefined,
      SLACK_SIGNING_SECRETS_FILE: secretsFile,
      ...Object.fromEntries(files),
    },
  })
  closing.push(() => gateway.close())
  const suggestion = blockSuggestion()
  const click = blockActions()
  return {
    ...gateway,
    regionsFile,
    writeRegions,
    writeSecrets,
    writeVariable,
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

  it('of a state or a signing key alone keeps connections and slots', async () => {
    const held: ServerResponse[] = []
    const us = await region((res) => held.push(res))
    const keys = ['old', 'new'].map((id) => `${id}:${Buffer.alloc(32, id).toString('base64')}`).join(',')
    const only = { name: 'us', address: us.url, max_concurrency: 1, max_queue: 0, signing_key: 'old' }
    const gateway = await reloadable([only], { acme: 'us' }, { REGION_SIGNING_KEYS: keys })
    const first = gateway.options()
    await us.nextRequest()

    await gateway.writeRegions([{ ...only, signing_key: 'new' }])
    gateway.reload()
    expect((await gateway.options()).json()).toMatchObject({ regions: { us: 'queue_full' } })
    await gateway.writeRegions([{ ...only, signing_key: 'new', state: 'draining' }])
    gateway.reload()
    expect((await gateway.options()).json()).toMatchObject({ regions: { us: 'region_draining' } })
    await gateway.writeRegions([{ ...only, signing_key: 'new' }])
    gateway.reload()
    held[0]?.end('first')
    expect((await first).text).toBe('first')

    const second = gateway.options()
    const request = await us.nextRequest()
    expect(request.headers['signature-input']).toContain('keyid="new"')
    held[1]?.end('second')
    expect((await second).text).toBe('second')
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

describe('a reload of variables that are given as files', () => {
  const us = async (variables: Record<string, string>, answer: Answer = says('us')) => {
    const fake = await region(answer)
    return { fake, ...(await reloadable([{ name: 'us', address: fake.url }], { acme: 'us' }, variables)) }
  }

  it('puts TRUSTED_PROXIES into effect', async () => {
    const { fake, writeVariable, reload, post } = await us({ TRUSTED_PROXIES: '10.0.0.0/8' })
    const suggestion = blockSuggestion()
    const forwardedFor = async () => {
      const headers = { 'X-Forwarded-For': '203.0.113.7' }
      await post('/extensions/slack/options-load/', suggestion.body, {
        ...suggestion,
        headers,
        secret: 'the-first-secret',
      })
      return fake.requests.at(-1)?.headers['x-forwarded-for']
    }
    expect(await forwardedFor()).toBe('127.0.0.1')
    await writeVariable('TRUSTED_PROXIES', '127.0.0.1')
    expect(reload()).toEqual([])
    expect(await forwardedFor()).toBe('203.0.113.7, 127.0.0.1')
  })

  it('puts MAX_BODY_BYTES into effect', async () => {
    const { writeVariable, reload, options } = await us({ MAX_BODY_BYTES: '1048576' })
    expect((await options()).status).toBe(200)
    await writeVariable('MAX_BODY_BYTES', '10')
    reload()
    expect((await options()).status).toBe(413)
  })

  it('puts MAX_REPLY_BYTES into effect', async () => {
    const { writeVariable, reload, options } = await us({ MAX_REPLY_BYTES: '10' }, says('a long answer'))
    expect((await options()).json()).toMatchObject({ regions: { us: 'response_too_large' } })
    await writeVariable('MAX_REPLY_BYTES', '100')
    reload()
    expect((await options()).text).toBe('a long answer')
  })

  it('puts LOG_SAMPLE into effect', async () => {
    const { writeVariable, reload, options, logs, records } = await us({ LOG_SAMPLE: '0' })
    const told = () => logs.filter(({ message }) => message === 'webhook').length
    await options()
    await expect.poll(() => records.length).toBe(1)
    expect(told()).toBe(0)
    await writeVariable('LOG_SAMPLE', '1')
    reload()
    await options()
    await expect.poll(() => records.length).toBe(2)
    expect(told()).toBe(1)
  })

  it('warns of what only a restart can change, naming the variables and not their values', async () => {
    const { writeVariable, reload, logs } = await us({ PORT: '8080', CACHE_ENTRIES: '10', ADMIN_TOKEN: 'a' })
    await writeVariable('PORT', '8088')
    await writeVariable('CACHE_ENTRIES', '20')
    await writeVariable('ADMIN_TOKEN', 'b')
    logs.length = 0
    expect(reload()).toEqual([])
    expect(logs).toContainEqual({
      level: 'warn',
      message: 'Some changes take effect after a restart only',
      fields: { variables: ['PORT', 'CACHE_ENTRIES'] },
    })
    await writeVariable('PORT', '8080')
    await writeVariable('CACHE_ENTRIES', '10')
    logs.length = 0
    reload()
    expect(logs.filter(({ message }) => message.includes('restart'))).toEqual([])
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

describe('a configuration that is valid and yet cannot be put to work', () => {
  /** Fails when it is told that a region has no signing key, which is while the parts are built. */
  const failing = (): Log => {
    return {
      ...silentLog,
      warn: (_, message) => {
        if (message.includes('signing_key')) throw new Error('no room for a new part')
      },
    }
  }

  it('on a reload keeps the old one, is a fault, and is counted', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
    closing.push(() => rm(folder, { recursive: true }))
    const file = join(folder, 'regions.yaml')
    const signed = { name: 'us', address: 'http://127.0.0.1:9', signing_key: 'k' }
    await writeFile(file, stringify({ version: 1, regions: [signed] }))
    const gateway = await createGateway({
      env: {
        REGIONS_FILE: file,
        DATABASE_URL: 'sqlite::memory:',
        SLACK_SIGNING_SECRETS: 'a-secret',
        REGION_SIGNING_KEYS: `k:${Buffer.alloc(32).toString('base64')}`,
      },
      log: failing(),
    })
    closing.push(() => gateway.close())
    const before = gateway.configuration()
    await writeFile(file, stringify({ version: 1, regions: [{ name: 'us', address: 'http://127.0.0.1:9' }] }))
    expect(gateway.reload()).toEqual(['the configuration cannot be put to work: no room for a new part'])
    expect(gateway.configuration()).toBe(before)
    expect(gateway.counters.read().get('config_reload_failed_total')).toBe(1)
  })

  it('at the start leaves no database open', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
    closing.push(() => rm(folder, { recursive: true }))
    const file = join(folder, 'regions.yaml')
    await writeFile(file, stringify({ version: 1, regions: [{ name: 'us', address: 'http://127.0.0.1:9' }] }))
    const env = {
      REGIONS_FILE: file,
      DATABASE_URL: `sqlite:${join(folder, 'directory.db')}`,
      SLACK_SIGNING_SECRETS: 'a-secret',
    }
    await expect(createGateway({ env, log: failing() })).rejects.toThrow('no room for a new part')
    // SQLite takes its write-ahead log away when the last connection closes.
    expect((await readdir(folder)).toSorted()).toEqual(['directory.db', 'regions.yaml'])
  })
})
