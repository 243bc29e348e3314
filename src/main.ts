#!/usr/bin/env node
import { runCommandLine } from './cli/program.ts'
import type { Serving } from './serve.ts'

// 128 and the signal's number: what a shell reports for a process that a signal has ended.
const exitCodes = { SIGTERM: 143, SIGINT: 130 } as const

/** Drains on the first SIGTERM or SIGINT, ends at once on the second; reloads on SIGHUP. Gives the exit code. */
async function untilSignalled(serving: Serving, reload: () => void): Promise<number> {
  process.on('SIGHUP', reload)
  await new Promise<void>(onInterrupt)
  await serving.drain()
  return 0
}

function onInterrupt(then: () => void): void {
  let told = false
  for (const [signal, code] of Object.entries(exitCodes)) {
    process.on(signal, () => {
      if (told) process.exit(code)
      told = true
      then()
    })
  }
}

const { stdin, stdout, stderr } = process
const exitCode = await runCommandLine(process.argv.slice(2), { stdin, stdout, stderr, untilSignalled, onInterrupt })
// Explicitly: a connection that a cut-short drain left open must not keep the process alive.
process.exit(exitCode)
