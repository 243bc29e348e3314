import { describe, expect, it } from 'vitest'
import { createImportProgress } from '../../../src/cli/import-progress.ts'
import { createManualClock } from '../../support/manual-clock.ts'

function shownOn(isTTY: boolean) {
  const clock = createManualClock()
  const written: string[] = []
  const progress = createImportProgress({ isTTY, write: (text: string) => written.push(text) }, clock)
  const read = (rows: number, bytesRead: number) => progress.show({ step: 'read', rows, bytesRead, bytesTotal: 1000 })
  return { clock, written, progress, read }
}

describe('the progress of an import', () => {
  it('is rows, rows a second, per cent and the time that is left', () => {
    const { clock, written, read } = shownOn(false)
    clock.advance(10_000)
    read(200_000, 100)
    expect(written).toEqual(['200000 rows, 20000 rows/s, 10 %, 1 min 30 s left\n'])
  })

  it('is a line every two seconds where it is kept', () => {
    const { clock, written, progress, read } = shownOn(false)
    for (let second = 1; second <= 6; second++) {
      clock.advance(1000)
      read(10_000 * second, 100 * second)
    }
    progress.end()
    expect(written.map((line) => line.split(' ', 1)[0])).toEqual(['10000', '30000', '50000'])
  })

  it('is one line on a terminal, written anew', () => {
    const { clock, written, progress, read } = shownOn(true)
    clock.advance(1000)
    read(10_000, 500)
    clock.advance(100)
    read(11_000, 550)
    clock.advance(100)
    read(12_000, 600)
    progress.end()
    expect(written).toEqual([
      '\r10000 rows, 10000 rows/s, 50 %, 1 s left\u001b[K',
      '\r12000 rows, 10000 rows/s, 60 %, 1 s left\u001b[K',
      '\n',
    ])
  })

  it('says what is done once the file is read', () => {
    const { clock, written, progress, read } = shownOn(false)
    clock.advance(5000)
    read(50_000, 1000)
    progress.show({ step: 'check', rows: 50_000, bytesRead: 1000, bytesTotal: 1000 })
    progress.show({ step: 'apply', rows: 50_000, bytesRead: 1000, bytesTotal: 1000 })
    expect(written.slice(1)).toEqual([
      '50000 rows read in 5 s, now held against the directory\n',
      '50000 rows checked, now put into the directory\n',
    ])
  })

  it('has a rate and an end from its first moment on', () => {
    const { written, read } = shownOn(false)
    read(10_000, 100)
    expect(written).toEqual(['10000 rows, 10000000 rows/s, 10 %, 0 s left\n'])
  })

  it('is not shown where an import is over at once', () => {
    const { clock, written, progress, read } = shownOn(true)
    clock.advance(1000)
    read(9999, 1000)
    progress.end()
    expect(written).toEqual([])
  })
})
