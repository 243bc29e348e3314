import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { watchConfiguration, type ConfigurationWatch } from '../../../src/config/watch-configuration.ts'
import { createGateway } from '../../../src/index.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { silentLog } from '../../../src/telemetry/log.ts'

let folder: string
let stop = (): void => {}
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watched-'))
  await Promise.all(['a', 'b'].map((name) => writeFile(join(folder, name), 'at first')))
})
afterEach(async () => {
  stop()
  await rm(folder, { recursive: true })
})

/** A configuration of one file, the watch of it, and how often it was read again. */
function watched() {
  const clock = createManualClock()
  const watch: ConfigurationWatch = watchConfiguration([join(folder, 'a')], clock)
  stop = () => watch.stop()
  let times = 0
  const now = { files: [join(folder, 'a')], faults: [] as string[] }
  const configuration = {
    reload() {
      times += 1
      return now.faults
    },
    files: () => now.files,
  }
  return {
    clock,
    watch,
    now,
    attach: () => watch.attach(configuration),
    change: (name: string) => writeFile(join(folder, name), `changed after ${times} times`),
    timesAfterALook: async (): Promise<number> => {
      clock.advance(1000)
      // Until the next look is set, this one is not over.
      await expect.poll(() => clock.pending()).toBe(1)
      return times
    },
  }
}

describe('a configuration whose files are watched', () => {
  it('is read again when one changes', async () => {
    const { attach, change, timesAfterALook } = watched()
    attach()
    expect(await timesAfterALook()).toBe(0)
    await change('a')
    expect([await timesAfterALook(), await timesAfterALook()]).toEqual([1, 1])
  })

  it('is read again at once where one has changed before there was anybody to do so', async () => {
    const { attach, change, timesAfterALook } = watched()
    await change('a')
    await timesAfterALook()
    attach()
    expect(await timesAfterALook()).toBe(1)
  })

  it('is read again when told to, and not once more for what has changed before', async () => {
    const { attach, change, now, timesAfterALook } = watched()
    const reload = attach()
    await change('a')
    now.faults = ['regions is wrong']
    expect(reload()).toEqual(['regions is wrong'])
    expect(await timesAfterALook()).toBe(1)
    await change('a')
    expect(await timesAfterALook()).toBe(2)
  })

  it('is watched in other files once it names others', async () => {
    const { attach, change, now, timesAfterALook } = watched()
    const reload = attach()
    now.files = [join(folder, 'b')]
    reload()
    await change('a')
    expect(await timesAfterALook()).toBe(1)
    await change('b')
    expect(await timesAfterALook()).toBe(2)
  })

  it('is watched no more when that is over, also where it is read again', () => {
    const { attach, clock, watch } = watched()
    const reload = attach()
    watch.stop()
    reload()
    expect(clock.pending()).toBe(0)
  })
})

describe('a gateway inside a control app', () => {
  /** One whose regions file is changed, and what it has logged of reading it again. */
  async function changed(options: { watch?: false } = {}) {
    const file = join(folder, 'regions.yaml')
    const name = (region: string) =>
      writeFile(file, `version: 1\nregions: [{ name: ${region}, address: 'http://127.0.0.1:9' }]\n`)
    await name('us')
    const clock = createManualClock()
    const reloaded: unknown[] = []
    const gateway = await createGateway({
      ...options,
      clock,
      log: { ...silentLog, info: (fields) => void reloaded.push(fields) },
      env: { REGIONS_FILE: file, DATABASE_URL: 'sqlite::memory:', SLACK_SIGNING_SECRETS: 'a-secret' },
    })
    const before = clock.pending()
    await name('eu')
    clock.advance(1000)
    return { gateway, reloaded, clock, before }
  }

  it('reads its configuration again when one of its files changes', async () => {
    const { gateway, reloaded } = await changed()
    await expect.poll(() => reloaded).toEqual([{ regions: ['eu'] }])
    await gateway.close()
  })

  it('does so only when told to, where it is not to watch them', async () => {
    const { gateway, reloaded, before } = await changed({ watch: false })
    const watching = await changed()
    expect(watching.before).toBe(before + 1)
    expect(reloaded).toEqual([])
    expect(gateway.reload()).toEqual([])
    expect(reloaded).toEqual([{ regions: ['eu'] }])
    await gateway.close()
    await watching.gateway.close()
  })
})
