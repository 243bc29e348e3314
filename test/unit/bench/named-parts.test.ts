import { expect, it } from 'vitest'
import { benchRatios } from '../../../bench/ratios.ts'
import { UsageError } from '../../../bench/rounds.ts'
import { benchSpool } from '../../../bench/spool.ts'

it.each([
  ['a contender beside one that there is', () => benchRatios(['--only', 'gateway,typo'])],
  ['a part of the spool', () => benchSpool(['--only', 'drain', '--only', 'drian'])],
])('--only refuses %s by a name that nobody has', async (_, bench) => {
  await expect(bench()).rejects.toThrow(UsageError)
})
