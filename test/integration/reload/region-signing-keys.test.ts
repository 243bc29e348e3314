import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { ForwardedRequestError, verifyForwarded, type SigningKeys } from '../../../src/region-kit/index.ts'
import { startFakeRegion } from '../../support/fake-region.ts'
import { blockSuggestion } from '../../support/slack-payloads.ts'
import { startTestGateway, workspace } from '../../support/test-gateway.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const keyOf = (id: string) => `${id}:${Buffer.alloc(32, id).toString('base64')}`

/** A gateway whose keys are a file, and a region with the kit that says which key it has verified, or why not. */
async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
  closing.push(() => rm(folder, { recursive: true }))
  const kit: { keys: SigningKeys } = { keys: keyOf('eu-2025') }
  const eu = await startFakeRegion((res, { method, url, headers, body }) => {
    try {
      verifyForwarded({ method, url, headers, body }, { keys: kit.keys, region: 'eu' })
      res.end(/keyid="([^"]*)"/.exec(String(headers['signature-input']))?.[1])
    } catch (error) {
      res.writeHead(401).end(error instanceof ForwardedRequestError ? error.code : 'not verified')
    }
  })
  closing.push(() => eu.close())
  const file = (name: string) => join(folder, name)
  const signWith = (id: string) =>
    writeFile(
      file('regions.yaml'),
      stringify({ version: 1, regions: [{ name: 'eu', address: eu.url, signing_key: id }] }),
    )
  const holdKeys = (...ids: string[]) => writeFile(file('keys'), ids.map(keyOf).join(','))
  await signWith('eu-2025')
  await holdKeys('eu-2025')
  const test = await startTestGateway({
    regions: [],
    directory: workspace({ acme: 'eu' }),
    env: { REGIONS_FILE: file('regions.yaml'), REGION_SIGNING_KEYS_FILE: file('keys') },
  })
  closing.push(() => test.close())
  const suggestion = blockSuggestion()
  return {
    kit,
    signWith,
    holdKeys,
    reload: () => test.gateway.reload(),
    failures: () => test.gateway.counters.read().get('config_reload_failed_total') ?? 0,
    logs: test.logs,
    post: async () => {
      const { status, text } = await test.post('/extensions/slack/options-load/', suggestion.body, suggestion)
      return `${status} ${text}`
    },
  }
}

describe('a region’s signing key', () => {
  it('is replaced without a request that the region would not accept', async () => {
    const { kit, signWith, holdKeys, reload, post } = await start()
    expect(await post()).toBe('200 eu-2025')
    kit.keys = `${keyOf('eu-2026')},${keyOf('eu-2025')}`
    expect(await post()).toBe('200 eu-2025')
    await holdKeys('eu-2026', 'eu-2025')
    expect(reload()).toEqual([])
    expect(await post()).toBe('200 eu-2025')
    await signWith('eu-2026')
    expect(reload()).toEqual([])
    expect(await post()).toBe('200 eu-2026')
    await holdKeys('eu-2026')
    expect(reload()).toEqual([])
    expect(await post()).toBe('200 eu-2026')
    kit.keys = keyOf('eu-2026')
    expect(await post()).toBe('200 eu-2026')
  })

  it('that the gateway does not hold yet leaves the old one, which is counted and said', async () => {
    const { signWith, holdKeys, reload, post, failures, logs } = await start()
    await signWith('eu-2026')
    expect(reload()).toEqual([expect.stringMatching(/regions\.yaml:\d+:\d+ regions\[0\]\.signing_key is not the id/)])
    expect(await post()).toBe('200 eu-2025')
    expect(failures()).toBe(1)
    expect(logs.filter(({ level }) => level === 'error')).toHaveLength(1)
    await holdKeys('eu-2026')
    expect(reload()).toEqual([])
    expect(await post()).toBe('401 unknown_key')
  })
})
