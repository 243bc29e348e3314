import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { startFakeRegion } from '../../support/fake-region.ts'
import { blockSuggestion } from '../../support/slack-payloads.ts'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin } from '../admin/admin-rig.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const fingerprint = (secret: string | Buffer) => createHash('sha256').update(secret).digest('hex').slice(0, 12)
const [oldKey, newKey] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-test-'))
  closing.push(() => rm(folder, { recursive: true }))
  const secretsFile = join(folder, 'secrets')
  await writeFile(secretsFile, 'the-old-secret')
  const eu = await startFakeRegion()
  closing.push(() => eu.close())
  const clock = createManualClock()
  const rig = await startAdmin({
    clock,
    regions: [{ name: 'eu', address: eu.url, signing_key: 'old' }],
    directory: workspace({ acme: 'eu' }),
    env: {
      SLACK_SIGNING_SECRETS: undefined,
      SLACK_SIGNING_SECRETS_FILE: secretsFile,
      REGION_SIGNING_KEYS: `new:${newKey.toString('base64')},old:${oldKey.toString('base64')}`,
    },
  })
  closing.push(() => rig.close())
  const suggestion = blockSuggestion()
  return {
    ...rig,
    ask: (...what: Parameters<typeof rig.ask>) => rig.ask(...what),
    clock,
    writeSecrets: (text: string) => writeFile(secretsFile, text),
    secrets: async () => ((await rig.ask('GET', '/api/secrets')).json as { items: Record<string, unknown>[] }).items,
    post: (secret: string) =>
      rig.test.post('/extensions/slack/options-load/', suggestion.body, { ...suggestion, secret }),
  }
}

describe('the signing secrets', () => {
  it('are listed by their fingerprints, newest first, and never themselves', async () => {
    const { ask } = await start()
    const reply = await ask('GET', '/api/secrets')
    const key = (id: string, secret: Buffer, position: number, in_use: boolean) => ({
      name: 'REGION_SIGNING_KEYS',
      id,
      fingerprint: fingerprint(secret),
      position,
      in_use,
      last_used_at: null,
    })
    expect(reply.json).toEqual({
      items: [
        key('new', newKey, 1, false),
        key('old', oldKey, 2, true),
        {
          name: 'SLACK_SIGNING_SECRETS',
          fingerprint: fingerprint('the-old-secret'),
          position: 1,
          in_use: true,
          last_used_at: null,
        },
      ],
      next_cursor: null,
    })
    expect(reply.text).not.toContain('the-old-secret')
  })

  it('tell by their last use when a rotation is at its end', async () => {
    const { clock, post, writeSecrets, secrets, gateway } = await start()
    await writeSecrets('A0APP000001:the-new-secret,the-old-secret')
    expect(gateway.reload()).toEqual([])
    const first = new Date(clock.now()).toISOString()
    expect((await post('the-old-secret')).status).toBe(200)
    clock.advance(2000)
    const second = new Date(clock.now()).toISOString()
    expect((await post('a-wrong-secret')).status).toBe(401)
    const slack = async () => (await secrets()).filter(({ name }) => name === 'SLACK_SIGNING_SECRETS')
    expect(await slack()).toMatchObject([
      { app_id: 'A0APP000001', position: 1, last_used_at: null },
      { position: 2, last_used_at: first },
    ])
    await writeSecrets('the-new-secret,the-old-secret')
    gateway.reload()
    expect((await post('the-new-secret')).status).toBe(200)
    expect(await slack()).toMatchObject([
      { position: 1, last_used_at: second },
      { position: 2, last_used_at: first },
    ])
  })

  it('are told of by the key that signed towards a region', async () => {
    const { clock, post, secrets } = await start()
    const now = new Date(clock.now()).toISOString()
    await post('the-old-secret')
    expect(await secrets()).toMatchObject([
      { id: 'new', last_used_at: null },
      { id: 'old', last_used_at: now },
      { last_used_at: now },
    ])
  })
})
