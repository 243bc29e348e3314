import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { watchFiles } from '../../../src/config/watch-files.ts'
import { createManualClock } from '../../support/manual-clock.ts'

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

/** What watches a file, how often it has told of a change, and its looks. */
function watched(path: string) {
  const clock = createManualClock()
  let told = 0
  stop = watchFiles([path], () => (told += 1), clock)
  return async (): Promise<number> => {
    clock.advance(1000)
    // Until the next look is set, this one is not over.
    await expect.poll(() => clock.pending()).toBe(1)
    return told
  }
}

describe('a file that is watched', () => {
  it.each(changes)('is noticed when it %s, once for each time', async (_how, change) => {
    const path = join(folder, 'secret')
    await writeFile(path, 'same')
    const look = watched(path)
    await change(path, 0)
    expect([await look(), await look()]).toEqual([1, 1])
    await change(path, 1)
    expect([await look(), await look()]).toEqual([2, 2])
  })

  it('is noticed when a link far above it is swapped', async () => {
    await mountVersion(0)
    const path = join(folder, 'secret')
    await symlink(join('..data', 'secret'), path)
    const look = watched(path)
    await mountVersion(1)
    expect(await look()).toBe(1)
  })

  it('is not noticed while nothing happens to it', async () => {
    const path = join(folder, 'secret')
    await writeFile(path, 'same')
    expect(await watched(path)()).toBe(0)
  })

  it('is not noticed for not being there', async () => {
    expect(await watched(join(folder, 'secret'))()).toBe(0)
  })

  it('is noticed when it is made', async () => {
    const path = join(folder, 'secret')
    const look = watched(path)
    await writeFile(path, 'here')
    expect(await look()).toBe(1)
  })
})
