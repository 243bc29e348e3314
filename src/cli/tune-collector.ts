import { executionAsyncResource } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'

/** What is never collected. */
const kept: object[] = []

/**
 * Has V8 collect garbage as suits a process that serves for months. It holds for all of the process: whoever mounts the
 * gateway in an application decides that for themselves. Measured on Node 26.10; `bench/README.md` says what pays.
 */
export function tuneCollector(): void {
  // One thread needs a few milliseconds for a small round. Of several the webhooks wait for whichever gets a core last:
  // where all cores were busy up to 164 ms, and with one 42.
  setFlagsFromString('--no-parallel-scavenge')
  // By itself V8 lets what has grown old become a tenth more before it looks there, or four times as much, as fast as
  // things are just then, and memory goes up and down by that. This is some 15 MB.
  setFlagsFromString('--heap-growing-percent=80')
  // Where memory has grown and old space was not collected for 100 s since, V8 does so to give memory back, under any
  // load: the room for what is young is 1 MiB then instead of 52, and webhooks pay for its growth again. So it may do
  // that no times at all, from the start on: V8 counts on it once it has begun. (`--no-memory-reducer` is read before
  // anything can be set.) The price: a gateway at rest keeps some 80 MiB that it has needed under load.
  setFlagsFromString('--memory-reducer-gc-count=0')
  // Where most of what a function makes outlives a small round, V8 has it make what comes after old from the start, and
  // looks again only where next to nothing of all that is old outlives a large one. The words of a record do if such a
  // round comes while a block is packed. By that chance two processes of three let 1.4 % of what webhooks allocate grow
  // old instead of 0.04 %, with a large round every 3 s.
  setFlagsFromString('--no-allocation-site-pretenuring')
  // V8 drops the hidden class of node's ticks where old space is collected while there is none, as it is at the start,
  // and what makes ticks never recovers: each takes 0.3 µs instead of 0.03, several times a webhook. So one stays.
  process.nextTick(() => kept.push(executionAsyncResource()))
}
