import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { createListeners } from '../../../src/admin/stream/listeners.ts'

/** One end of a connection whose other end reads when told to. */
function setUp() {
  const onEmpty = vi.fn<() => void>()
  const listeners = createListeners(onEmpty)
  const join = (isAdmitted = () => true) => {
    const res = new PassThrough({ highWaterMark: 1 })
    listeners.add(res as unknown as ServerResponse, isAdmitted)
    const heard = () => String(res.read() ?? '')
    return { res, heard }
  }
  return { listeners, onEmpty, join }
}

const KIB = 1024

describe('those who listen', () => {
  it('hear the same', () => {
    const { listeners, join } = setUp()
    const [one, other] = [join(), join()]
    listeners.send('frame')
    expect([one.heard(), other.heard()]).toEqual(['frame', 'frame'])
  })

  it('are dropped when they have not read 256 KiB, and no one else for it', () => {
    const { listeners, join } = setUp()
    const [slow, other] = [join(), join()]
    for (let sent = 0; sent < 8; sent++) {
      listeners.send('x'.repeat(64 * KIB))
      other.heard()
    }
    expect([slow.res.destroyed, other.res.destroyed]).toEqual([true, false])
    listeners.send('frame')
    expect(other.heard()).toMatch(/frame$/)
  })

  it('are 64 at most: one more takes the place of the one that has listened for longest', () => {
    const { join } = setUp()
    const all = Array.from({ length: 65 }, () => join())
    expect(all.map(({ res }) => res.destroyed)).toEqual([true, ...Array<boolean>(64).fill(false)])
  })

  it('are ended when they would not be let in any more, and are sent nothing after that', () => {
    const { listeners, join } = setUp()
    let admitted = true
    const [one, other] = [join(() => admitted), join()]
    listeners.review()
    expect(one.res.writableEnded).toBe(false)
    admitted = false
    listeners.review()
    listeners.send('frame')
    expect([one.res.writableEnded, other.res.writableEnded]).toEqual([true, false])
    expect([one.heard(), other.heard()]).toEqual(['', 'frame'])
  })

  it('are cut off then, when they are behind: who reads nothing would stay for good, and hold up a drain', () => {
    const { listeners, join } = setUp()
    let admitted = true
    const { res } = join(() => admitted)
    listeners.send('x'.repeat(64 * KIB))
    admitted = false
    listeners.review()
    expect(res.destroyed).toBe(true)
  })

  it('are missed as soon as the last of them has been ended', () => {
    const { listeners, join, onEmpty } = setUp()
    join(() => false)
    listeners.review()
    expect(onEmpty).toHaveBeenCalledTimes(1)
  })

  it('are all ended with a last word, but for those who are behind: they hold nobody up', () => {
    const { listeners, join, onEmpty } = setUp()
    const behind = join()
    listeners.send('x'.repeat(64 * KIB))
    const other = join()
    listeners.end('bye')
    expect(behind.res.destroyed).toBe(true)
    expect([other.res.writableEnded, other.heard()]).toEqual([true, 'bye'])
    expect(onEmpty).toHaveBeenCalledTimes(1)
  })

  it('are missed once, when the last has gone', async () => {
    const { join, onEmpty } = setUp()
    const [one, other] = [join(), join()]
    one.res.destroy()
    await new Promise((resolve) => one.res.once('close', resolve))
    expect(onEmpty).not.toHaveBeenCalled()
    other.res.destroy()
    await new Promise((resolve) => other.res.once('close', resolve))
    expect(onEmpty).toHaveBeenCalledTimes(1)
  })
})
