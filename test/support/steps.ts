import type { Gateway } from '../../src/gateway.ts'

/**
 * Moves a clock on in small steps until something is so: what time sets off goes over real sockets and a real disk, and
 * gets some turns of the event loop after each step. A busy machine may still get less done in a step than in earnest, so
 * that calls time out or leases lapse: what is waited for must be true in that case, too.
 */
export async function until(
  clock: { readonly advance: (ms: number) => void },
  isSo: () => boolean | Promise<boolean>,
  { stepMs = 250, steps = 5000 } = {},
): Promise<void> {
  for (let step = 0; !(await isSo()); step++) {
    if (step > steps) throw new Error(`it never came to this in ${step * stepMs} ms`)
    clock.advance(stepMs)
    // The longer it takes, the slower time goes: on a machine so busy that a lease lapses before anybody can use it,
    // nothing would ever come of it at one pace.
    for (let turn = 0; turn < 50 + step; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

/**
 * Moves a clock from a webhook's first byte to its deadline, with time on the way for what is written shortly before.
 */
export async function passBudget({
  clock,
  gateway,
}: {
  readonly clock: { readonly advance: (ms: number) => void }
  readonly gateway: Gateway
}): Promise<void> {
  clock.advance(2400)
  // Writes are carried out in order: behind this one everything is written, and a turn later everybody knows.
  await gateway.spool.usage()
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(100)
}

/** Moves a clock on, a second at a time, with real time in between for what the store is asked meanwhile. */
export async function passTime(
  {
    clock,
    gateway,
  }: {
    readonly clock: { readonly advance: (ms: number) => void }
    readonly gateway: Gateway
  },
  seconds: number,
): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000)
    await gateway.spool.usage()
  }
}

/** Lets time pass until something is done that may have to wait for a lock on the database. */
export async function whileTimePasses<Done>(
  clock: { readonly advance: (ms: number) => void },
  work: Promise<Done>,
): Promise<Done> {
  const progress = { isDone: false }
  const done = work.finally(() => (progress.isDone = true))
  while (!progress.isDone) {
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(1)
  }
  return await done
}
