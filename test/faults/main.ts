/*
 * Lets everything go wrong that can, on every surface, to the gateway as it is shipped: a process of its own between
 * real sockets. Prints what became of every request and exits with 1 if anything accepted was lost, came in another
 * order within its mailbox, or was answered later than Slack waits. What is only late, with other faults beside it, is
 * judged by what it is by itself.
 *
 *   npm run faults [-- --quick] [--only <fault>] [--seed <number>] [--jobs <number>] [--json]
 *                     [--sabotage <module>] [--patience <seconds>] [--logs <folder>] [--list]
 */
import { parseArgs } from 'node:util'
import { faults } from './faults.ts'
import { runMatrix } from './matrix.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    seed: { type: 'string' },
    jobs: { type: 'string' },
    json: { type: 'boolean', default: false },
    sabotage: { type: 'string' },
    logs: { type: 'string' },
    patience: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
})

// Whoever ends it early ends the gateways and servers with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const form = values.quick ? 'quick' : 'full'
/** By its whole name, or else by a part of it. */
const isNamed = (name: string, text: string): boolean =>
  faults.some((fault) => fault.name === text) ? name === text : name.includes(text)
const chosen = faults.filter(({ name, fullOnly }) =>
  values.only === undefined ? form === 'full' || fullOnly !== true : values.only.some((text) => isNamed(name, text)),
)
if (chosen.length === 0 || values.list) {
  for (const { name } of faults) console.log(name)
  process.exit(values.list ? 0 : 2)
}
const good = await runMatrix(chosen, {
  form,
  seed: Number(values.seed ?? Date.now() % 1_000_000),
  // Five take half a second of each answer's time away from one another on two cores, three next to nothing.
  jobs: Number(values.jobs ?? (form === 'quick' ? 3 : 1)),
  json: values.json,
  sabotage: values.sabotage,
  logs: values.logs,
  // A lapsed lease and a busy machine together stay far below; what has not arrived by then, and does not rest, is lost.
  patienceMs: Number(values.patience ?? (form === 'quick' ? 30 : 60)) * 1000,
})
process.exit(good ? 0 : 1)
