import { isDeepStrictEqual } from 'node:util'
import { systemClock } from '../clock.ts'
import { describeConfiguration, readConfiguration } from '../config/configuration.ts'
import { coreVariables } from '../config/environment.ts'
import { ConfigurationError, requireVariables } from '../config/required.ts'
import { watchFiles } from '../config/watch-files.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import { providers } from '../providers/index.ts'
import { openAdminListener, serve, type Serving } from '../serve.ts'
import type { Signals } from './signals.ts'
import { tuneCollector } from './tune-collector.ts'

/** For a step that takes a third of a millisecond. */
const RESERVE_EVERY_MS = 10

/** Serves until told to stop, then drains. Told before it serves, it ends at once: nothing has been accepted yet. */
export async function serveCommand(signals: Signals): Promise<number> {
  refuseOtherModes()
  tuneCollector()
  // Opening may wait for a lock on the database, and must not keep the process from ending.
  const started = await Promise.race([start(), signals.toldToStop])
  if (started === undefined) return 0
  const { gateway, serving, files } = started
  gateway.log.info(
    {
      public: serving.publicUrl,
      admin: serving.adminUrl,
      configuration: describeConfiguration(gateway.configuration()),
    },
    gateway.configuration().settings.REDIS_URL === undefined
      ? 'Serving single-instance: nothing is shared with other gateways'
      : 'Serving as one of a fleet: what gateways share is in Redis',
  )
  const stopReserving = reserveMemory(gateway)
  const reload = (): void => {
    gateway.reload()
    files.watch(gateway.configurationFiles())
  }
  files.onChange(reload)
  signals.onReload(() => {
    // First, so that what changes while it is read is read again, and what has changed before is not.
    files.lookAnew()
    reload()
  })
  try {
    await signals.toldToStop
    await serving.drain()
    return 0
  } finally {
    stopReserving()
    files.stop()
  }
}

/** Where it rejects the process ends, and with it what is open. */
async function start(): Promise<{
  gateway: Gateway
  serving: Serving
  files: ReturnType<typeof watchConfiguration>
}> {
  const reading = readConfiguration({ definitions: providers })
  if (!reading.ok) throw new ConfigurationError(reading.faults)
  const { settings, files: read } = reading.configuration
  // From now on: a database may keep the start waiting for minutes, and what changes meanwhile is to be read, too.
  const files = watchConfiguration(read)
  const admin = await openAdminListener(settings)
  const gateway = await createGateway()
  return { gateway, serving: await serve(gateway, {}, admin), files }
}

/**
 * Once it serves, and in the first seconds: what is not there then is noticed while somebody looks, and afterwards the
 * process grows no more.
 */
function reserveMemory(gateway: Gateway): () => void {
  const steps = gateway.reserveMemory()
  let cancel = (): void => {}
  const next = (): void => {
    if (steps.next().done !== true) cancel = gateway.clock.after(RESERVE_EVERY_MS, next)
  }
  next()
  return () => cancel()
}

/** Before anything is opened or logged: a process that must not run here leaves no database behind either. */
function refuseOtherModes(): void {
  const { SILO_MODE } = requireVariables(coreVariables.pick({ SILO_MODE: true }))
  if (SILO_MODE === 'CONTROL') return
  throw new ConfigurationError([`SILO_MODE is ${SILO_MODE}: serve runs in the control silo only`])
}

/** Tells of changes of the configuration's files: of one that came before anybody listened, as soon as somebody does. */
function watchConfiguration(first: readonly string[]): {
  onChange: (then: () => void) => void
  /** Which files those are may change with what is in them. */
  watch: (files: readonly string[]) => void
  /** How the files are now is what they change from. */
  lookAnew: () => void
  stop: () => void
} {
  let watched = first
  let early = false
  let tell = (): void => {
    early = true
  }
  const begin = (): (() => void) => watchFiles(watched, () => tell(), systemClock)
  let stop = begin()
  const lookAnew = (): void => {
    stop()
    stop = begin()
  }
  return {
    onChange(then) {
      tell = then
      if (early) then()
    },
    watch(files) {
      // Watching anew begins with how a file is by then: a change since it was read would go unnoticed.
      if (isDeepStrictEqual(files, watched)) return
      watched = files
      lookAnew()
    },
    lookAnew,
    stop: () => stop(),
  }
}
