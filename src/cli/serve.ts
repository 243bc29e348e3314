import { describeConfiguration, readConfiguration } from '../config/configuration.ts'
import { coreVariables } from '../config/environment.ts'
import { ConfigurationError, requireVariables } from '../config/required.ts'
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
  const { gateway, serving } = started
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
  signals.onReload(() => void gateway.reload())
  try {
    await signals.toldToStop
    await serving.drain()
    return 0
  } finally {
    stopReserving()
  }
}

/** Where it rejects the process ends, and with it what is open. */
async function start(): Promise<{ gateway: Gateway; serving: Serving }> {
  const reading = readConfiguration({ definitions: providers })
  if (!reading.ok) throw new ConfigurationError(reading.faults)
  const admin = await openAdminListener(reading.configuration.settings)
  const gateway = await createGateway()
  return { gateway, serving: await serve(gateway, {}, admin) }
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
