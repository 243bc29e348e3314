/*
 *   npm run bench [-- --rounds 7 --seconds 3]    what a webhook costs on the way to its first region
 *   npm run bench -- spool [--quick] [--json]    what waiting costs: written, delivered later, kept in memory
 *   npm run bench -- directory [--quick] [--json] [--rows N]  what it costs to know where a workspace's customers live
 *   npm run bench -- outage                       what Slack sees while a fleet's database, and then its Redis, is away
 */
import { benchDirectory } from './directory.ts'
import { benchFirstRegion } from './first-region.ts'
import { benchOutage } from './outage.ts'
import { benchSpool } from './spool.ts'

const benches = { 'first-region': benchFirstRegion, spool: benchSpool, directory: benchDirectory, outage: benchOutage }
const [first = '', ...rest] = process.argv.slice(2)
const named = Object.entries(benches).find(([name]) => name === first)
if (named !== undefined) await named[1](rest)
else if (first === '' || first.startsWith('-')) await benchFirstRegion(process.argv.slice(2))
else {
  console.error(`There is no bench ${first}; there are ${Object.keys(benches).join(' and ')}.`)
  process.exitCode = 2
}
