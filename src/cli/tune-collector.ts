import { executionAsyncResource } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'

/** What is never collected. */
const kept: object[] = []

/**
 * Has V8 collect garbage as suits a process that serves for months. It holds for all of the process: whoever mounts the
 * gateway in an application decides that for themselves.
 */
export function tuneCollector(): void {
  // One thread needs a few milliseconds for a small round. Of several the webhooks wait for whichever gets a core last:
  // where all cores were busy up to 164 ms, and with one 42.
  setFlagsFromString('--no-parallel-scavenge')
  // By itself V8 lets what has grown old become a tenth more before it looks there, or four times as much, as fast as
  // things are just then, and memory goes up and down by that. This is some 15 MB of webhooks: V8 begins early enough
  // for all of the young to grow old meanwhile, so that half as much would leave it next to nothing.
  setFlagsFromString('--heap-growing-percent=80')
  // Where most of what a function makes outlives one small round, V8 has it make the rest old from the start, for good.
  // The words of a record do if such a round comes while a block is packed: it is chance, and in two processes of three
  // 1.4 % of what webhooks allocate grew old, instead of a twentieth of a percent, with a large round every 3 s.
  setFlagsFromString('--no-allocation-site-pretenuring')
  // One helper marks what has grown old while webhooks are answered; more of them take the core that answers.
  setFlagsFromString('--concurrent-marking-max-worker-num=1')
  // What all ticks have in common is forgotten where old space is collected while there is none, as at the start it is,
  // and V8 then makes each by its slowest way, for good: 0.3 instead of 0.03 µs, some ten times a webhook. So one stays.
  process.nextTick(() => kept.push(executionAsyncResource()))
}
