/*
 *   npm run bench                    what a webhook costs, beside what people would use instead: the ratio table
 *       --quick --json --rounds 7 --seconds 3 --regions 1|3 --only gateway,bare --profile FOLDER
 *       --plot                       the same, published: docs/bench/results.json and its pictures
 *   npm run bench -- top FILE [N]    where the time of such a profile went, by function
 *   npm run bench -- plot            draws the pictures of docs/bench/results.json again
 *   npm run bench -- fanout [--quick] [--json]   what further regions cost, and whether the fastest one's answer waits
 *   npm run bench -- size [--quick] [--json]     what longer bodies cost, beside the bare one
 *   npm run bench -- load [--quick] [--json] [--plot]  latency at constant rates up to saturation, beside the bare one
 *   npm run bench -- soak [--quick] [--minutes 10] [--rate 2000] [--json]  memory and event loop, second by second, and judged
 *   npm run bench -- scale [--quick] [--json]    what a directory of a million integrations costs more than one of ten
 *   npm run bench -- start [--quick] [--json]    from start to ready
 *   npm run bench -- telemetry [--quick] [--json]      what metrics, records and log lines cost
 *   npm run bench -- spool [--quick] [--json]    what waiting costs: written, delivered later, kept in memory
 *       --rounds 3 --seconds 6 --only spool|drain|memory|front-door --profile FOLDER
 *   npm run bench -- directory [--quick] [--json] [--rows N]  what it costs to know where a workspace's customers live
 *       --rounds 7
 *   npm run bench -- outage [--away 8] [--json]   what Slack sees while a fleet's database, and then its Redis, is away
 *
 * Those in rounds take --rounds N, and --seconds N where a round lasts so long.
 */
import { benchDirectory } from './directory.ts'
import { benchFanout } from './fanout.ts'
import { benchLoad } from './load.ts'
import { benchOutage } from './outage.ts'
import { printTop } from './profile-top.ts'
import { publish } from './published.ts'
import { benchRatios } from './ratios.ts'
import { UsageError } from './rounds.ts'
import { benchScale } from './scale.ts'
import { benchSize } from './size.ts'
import { benchSoak } from './soak.ts'
import { benchSpool } from './spool.ts'
import { benchStart } from './start.ts'
import { benchTelemetry } from './telemetry.ts'

const benches = {
  ratios: benchRatios,
  plot: () => publish({}),
  top: printTop,
  fanout: benchFanout,
  size: benchSize,
  load: benchLoad,
  soak: benchSoak,
  scale: benchScale,
  start: benchStart,
  telemetry: benchTelemetry,
  spool: benchSpool,
  directory: benchDirectory,
  outage: benchOutage,
}
const [first = '', ...rest] = process.argv.slice(2)
const named = Object.entries(benches).find(([name]) => name === first)
try {
  if (named !== undefined) await named[1](rest)
  else if (first === '' || first.startsWith('-')) await benchRatios(process.argv.slice(2))
  else {
    throw new UsageError(`There is no bench ${first}; there are ${Object.keys(benches).join(', ')}.`)
  }
} catch (error) {
  // What is missing or has not answered as it should is told in a line; where in the bench it was noticed helps nobody.
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = isUsage(error) ? 2 : 1
}

/** Node says it by the code of what `parseArgs` throws. */
function isUsage(error: unknown): boolean {
  return error instanceof UsageError || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
}
