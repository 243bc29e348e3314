import { createHook } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach } from 'vitest'

/*
 * Loaded by vitest before each test file. A test fails on an error that nobody caught while it ran; a file fails when
 * what it opened (a server, a socket, a pipe, a process, a watcher, a timer that keeps the process alive) is still
 * open after its last hook. This file's hooks are registered first and therefore run last.
 */

/** How long sockets whose other end has just closed may take to notice it. Only a file that leaks waits this long. */
const settleMs = 1_000

// TLS sockets are not watched: each stands on a TCP socket that is, and its own end shows only when it is collected.
const watched = new Map([
  ['TCPSERVERWRAP', 'a TCP server'],
  ['TCPWRAP', 'a TCP socket'],
  ['PIPESERVERWRAP', 'a pipe server'],
  ['PIPEWRAP', 'a pipe'],
  ['UDPWRAP', 'a UDP socket'],
  ['PROCESSWRAP', 'a child process'],
  ['WORKER', 'a worker thread'],
  ['FSEVENTWRAP', 'a file watcher'],
  ['STATWATCHER', 'a file watcher'],
  ['Timeout', 'a timer'],
])

const ownedByVitest = /\/node_modules\/(?:@?vitest|vite)\//

interface Opened {
  readonly what: string
  readonly stack: string
  /** Weak, since holding what was garbage collected would make a leak of it. */
  readonly resource: WeakRef<{ hasRef?: () => boolean }>
}

const opened = new Map<number, Opened>()
const uncaught: unknown[] = []

const hook = createHook({
  init(id, type, _trigger, resource) {
    const what = watched.get(type)
    if (what === undefined) return
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 30
    const frames = (new Error('opened').stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
    Error.stackTraceLimit = limit
    const users = frames.filter((frame) => !/[( ]node:|fail-on-leftovers/.test(frame))
    if (ownedByVitest.test(users[0] ?? '')) return
    opened.set(id, {
      what,
      stack: users.filter((frame) => !ownedByVitest.test(frame)).join('\n'),
      resource: new WeakRef(resource),
    })
  },
  destroy(id) {
    opened.delete(id)
  },
})

const remember = (error: unknown) => {
  uncaught.push(error)
}

process.on('unhandledRejection', remember)
process.on('uncaughtException', remember)
// Node opens the standard streams at their first use, which may be in a test; they stay open for all.
void [process.stdin, process.stdout, process.stderr]
hook.enable()

beforeEach(failOnUncaught)
afterEach(failOnUncaught)

afterAll(async () => {
  const end = performance.now() + settleMs
  while (leftovers().length > 0 && performance.now() < end) await nextTurn()
  const left = leftovers()
  hook.disable()
  opened.clear()
  await failOnUncaught().finally(() => {
    process.off('unhandledRejection', remember)
    process.off('uncaughtException', remember)
  })
  if (left.length > 0) {
    throw new Error(`left open by this test file:\n${left.map(({ what, stack }) => `${what}\n${stack}`).join('\n')}`)
  }
})

/** A rejection is known to be unhandled only when the turn it happened in is over. */
async function failOnUncaught(): Promise<void> {
  await nextTurn()
  const [first, ...others] = uncaught.splice(0)
  if (first !== undefined)
    throw new Error('an error that nobody caught', { cause: others.length > 0 ? [first, ...others] : first })
}

/** A timer without a reference lets the process end, so it may outlive the test that started it. */
function leftovers(): Opened[] {
  return [...opened.values()].filter(({ what, resource }) => {
    const alive = resource.deref()
    return alive !== undefined && (what !== 'a timer' || alive.hasRef?.() === true)
  })
}
