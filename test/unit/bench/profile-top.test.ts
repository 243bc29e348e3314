import { expect, it } from 'vitest'
import { topFunctions } from '../../../bench/profile-top.ts'

it('adds up by function how long each ran itself, of the time in which there was something to do', () => {
  const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 41 })
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('verify', 'file:///home/gateway/dist/main.js') },
      { id: 3, callFrame: frame('writev') },
      // Called from somewhere else.
      { id: 4, callFrame: frame('verify', 'file:///home/gateway/dist/main.js') },
      { id: 5, callFrame: frame('', 'node:net') },
    ],
    samples: [2, 3, 1, 4, 5],
    timeDeltas: [99, 300, 200, 1000, 400, 77],
  }
  expect(topFunctions(JSON.stringify(profile)).map(({ name, share }) => [name, Math.round(977 * share)])).toEqual([
    ['verify dist/main.js:42', 700],
    ['writev', 200],
    ['(anonymous) node:net:42', 77],
  ])
})
