import { describe, expect, it } from 'vitest'
import { age, duration } from '../../../console/src/format.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

describe('a duration in the console', () => {
  it.each([
    [-3, '0 ms'],
    [0.44, '0.4 ms'],
    [38.4, '38 ms'],
    [2449, '2.45 s'],
    [43 * SECOND, '43 s'],
    [3 * MINUTE + 20 * SECOND, '3 min 20 s'],
    [2 * HOUR + 5 * MINUTE, '2 h 5 min'],
    [47 * HOUR, '47 h'],
    [4 * DAY + 2 * HOUR, '4 d 2 h'],
  ])('of %d ms is %s: at most two units', (ms, text) => {
    expect(duration(ms)).toBe(text)
  })

  it.each([
    [9.96, '10 ms'],
    [999.4, '999 ms'],
    [999.6, '1.00 s'],
    [9994, '9.99 s'],
    [9996, '10 s'],
    [MINUTE - 600, '59 s'],
    [MINUTE - 400, '1 min'],
    [HOUR - 600, '59 min 59 s'],
    [HOUR - 400, '1 h'],
    [2 * DAY - 400, '2 d'],
  ])('of %d ms is %s: it has the unit of what it is rounded to', (ms, text) => {
    expect(duration(ms)).toBe(text)
  })

  it.each([
    [400, '0 s'],
    [3400, '3 s'],
    [MINUTE - 400, '1 min'],
    [HOUR - 400, '1 h'],
  ])('that goes on, of %d ms, is %s: in whole seconds', (ms, text) => {
    expect(age(ms)).toBe(text)
  })
})
