#!/usr/bin/env node
import { runCommandLine } from './cli/program.ts'

const oldest = 24
if (Number(process.versions.node.split('.')[0]) < oldest) {
  process.stderr.write(
    `silo-gateway needs Node ${oldest} or newer, and this is ${process.version}: run it with a newer one\n`,
  )
  process.exit(2)
}

// 128 and the signal's number: what a shell reports for a process that a signal has ended.
const exitCodes = { SIGTERM: 143, SIGINT: 130 } as const

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

const onHangup = (then: () => void): void => void process.on('SIGHUP', then)

const { stdin, stdout, stderr } = process
const exitCode = await runCommandLine(process.argv.slice(2), { stdin, stdout, stderr, onInterrupt, onHangup })
// Explicitly: a connection that a cut-short drain left open must not keep the process alive.
process.exit(exitCode)
