/*
 * Loaded before the gateway, in its process and in its threads: the wall clock as it is after somebody has set it. By
 * how many milliseconds it is wrong is read from a file, again and again.
 */
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import threads, { isMainThread, type WorkerOptions } from 'node:worker_threads'

const file = process.env['FAULT_CLOCK_FILE'] ?? ''
const TrueDate = Date
const trueNow = Date.now.bind(Date)
let shiftMs = 0

setInterval(() => {
  try {
    shiftMs = Number(readFileSync(file, 'utf8'))
  } catch {
    shiftMs = 0
  }
}, 20).unref()

globalThis.Date = class extends TrueDate {
  constructor(...args: unknown[]) {
    // @ts-expect-error whatever a date is made of
    super(...(args.length === 0 ? [trueNow() + shiftMs] : args))
  }

  static override now(): number {
    return trueNow() + shiftMs
  }
} as DateConstructor

if (isMainThread) {
  const { Worker } = threads
  threads.Worker = class extends Worker {
    constructor(file: string | URL, options: WorkerOptions = {}) {
      super(file, { ...options, execArgv: [...(options.execArgv ?? []), '--import', import.meta.url] })
    }
  }
  syncBuiltinESMExports()
}
