import { describeConfiguration } from '../config/configuration.ts'
import { ConfigurationError } from '../config/required.ts'
import { watchFiles } from '../config/watch-files.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import { serve } from '../serve.ts'
import type { Process } from './process.ts'

export async function serveCommand(io: Process): Promise<number> {
  const gateway = await createGateway()
  const { settings } = gateway
  if (settings.SILO_MODE !== 'CONTROL') {
    await gateway.close()
    throw new ConfigurationError([`SILO_MODE is ${settings.SILO_MODE}: serve runs in the control silo only`])
  }
  const serving = await serve(gateway)
  gateway.log.info(
    {
      public: serving.publicUrl,
      admin: serving.adminUrl,
      configuration: describeConfiguration(gateway.configuration()),
    },
    'Serving as a single instance: nothing is shared with other gateways',
  )
  const reload = reloaderFor(gateway)
  try {
    return await io.untilSignalled(serving, reload.now)
  } finally {
    reload.stop()
  }
}

/** Reloads when told to and when a file of the configuration changes; which files those are may change with it. */
function reloaderFor(gateway: Gateway): { now: () => void; stop: () => void } {
  const now = (): void => {
    gateway.reload()
    stopWatching()
    stopWatching = watchFiles(gateway.configuration().files, now)
  }
  let stopWatching = watchFiles(gateway.configuration().files, now)
  return { now, stop: () => stopWatching() }
}
