import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { watchFiles } from '../../../src/config/watch-files.ts'

let folder: string
let stop = (): void => {}
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watched-'))
})
afterEach(async () => {
  stop()
  await rm(folder, { recursive: true })
})

/** As secrets and config maps are mounted: the file is a link into a folder that is itself a link, and is swapped. */
async function mountVersion(version: number): Promise<void> {
  const name = `..version-${version}`
  await mkdir(join(folder, name))
  // The same content and length: only what the links lead to is another file.
  await writeFile(join(folder, name, 'secret'), 'same')
  await symlink(name, join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
}

const changes: [string, (path: string, version: number) => Promise<void>][] = [
  ['is written', (path, version) => writeFile(path, `content ${version}`)],
  [
    'is replaced by another',
    async (path) => {
      await writeFile(`${path}.new`, 'same')
      await rename(`${path}.new`, path)
    },
  ],
  ['comes and goes', (path, version) => (version % 2 === 0 ? rm(path) : writeFile(path, 'same'))],
]

describe('a file that is watched', () => {
  it.each(changes)('is noticed when it %s', async (_how, change) => {
    const path = join(folder, 'secret')
    await writeFile(path, 'same')
    let noticed = 0
    stop = watchFiles([path], () => (noticed += 1), systemClock)
    // When the first look is taken nobody is told, so the change is made again and again.
    let version = 0
    const changed = async () => {
      await change(path, version++)
      return noticed
    }
    await expect.poll(changed, { timeout: 10_000, interval: 100 }).toBeGreaterThan(0)
  })

  it('is not noticed for not being there, but once it is', async () => {
    const [path, other] = [join(folder, 'secret'), join(folder, 'other')]
    await writeFile(other, 'same')
    const noticed = { path: 0, other: 0 }
    const stops = [
      watchFiles([path], () => (noticed.path += 1), systemClock),
      watchFiles([other], () => (noticed.other += 1), systemClock),
    ]
    stop = () => stops.forEach((each) => each())
    let version = 0
    const otherChanged = async () => {
      await writeFile(other, `content ${version++}`)
      return noticed.other
    }
    await expect.poll(otherChanged, { timeout: 10_000, interval: 100 }).toBeGreaterThan(0)
    expect(noticed.path).toBe(0)
    await writeFile(path, 'here')
    await expect.poll(() => noticed.path, { timeout: 10_000, interval: 100 }).toBeGreaterThan(0)
  })

  it('is noticed when a link far above it is swapped', async () => {
    await mountVersion(0)
    const path = join(folder, 'secret')
    await symlink(join('..data', 'secret'), path)
    let noticed = 0
    stop = watchFiles([path], () => (noticed += 1), systemClock)
    let version = 1
    const changed = async () => {
      await mountVersion(version++)
      return noticed
    }
    await expect.poll(changed, { timeout: 10_000, interval: 100 }).toBeGreaterThan(0)
  })
})
