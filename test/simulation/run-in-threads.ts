import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { FailedSchedule, Order, Ran } from './run-schedules.ts'

/** Runs the schedules of `count` seeds from `first` on, in so many threads, each until one of its own fails. */
export async function runInThreads(
  { first, count, ...order }: Pick<Order, 'first' | 'count' | 'mutation' | 'tell'>,
  threads: number,
): Promise<Ran> {
  const share = Math.ceil(count / threads)
  const ran = await Promise.all(
    Array.from({ length: threads }, (_, at) =>
      runInThread({ ...order, first: first + at, step: threads, count: share }),
    ),
  )
  const coverage = new Map<string, number>()
  for (const [what, schedules] of ran.flatMap((one) => [...one.coverage])) {
    coverage.set(what, (coverage.get(what) ?? 0) + schedules)
  }
  return {
    schedules: ran.reduce((sum, { schedules }) => sum + schedules, 0),
    coverage,
    failed: ran.flatMap(({ failed }) => failed ?? []).sort((a, b) => a.seed - b.seed)[0],
  }
}

async function runInThread(workerData: Order): Promise<Ran> {
  const thread = new Worker(new URL('./virtual-machine.ts', import.meta.url), { workerData, execArgv: [] })
  const ended = once(thread, 'exit')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it sends one message, which is this
  const [ran] = (await once(thread, 'message')) as [Ran]
  await ended
  return ran
}

/** Everything it takes to understand a schedule that failed, and to see it fail again. */
export function reportOf({ seed, failures, lines, trace }: FailedSchedule): string {
  return [
    `The schedule of seed ${seed} does not hold:`,
    ...failures.map(({ broken, why }) => `  ${broken}: ${why}`),
    '',
    'What was to happen (milliseconds from the beginning):',
    ...lines.map((line) => `  ${line}`),
    '',
    'What happened:',
    ...trace.map((line) => `  ${line}`),
    '',
    `Again: SIM_SEED=${seed} npx vitest run --project simulation`,
  ].join('\n')
}
