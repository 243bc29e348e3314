import { describeConfiguration } from '../config/configuration.ts'
import { ConfigurationError } from '../config/required.ts'
import { createGateway } from '../gateway.ts'
import { serve } from '../serve.ts'
import type { Process } from './program.ts'

export async function serveCommand(io: Process): Promise<number> {
  const gateway = await createGateway()
  if (gateway.settings.SILO_MODE !== 'CONTROL') {
    await gateway.close()
    throw new ConfigurationError([
      `SILO_MODE is ${gateway.settings.SILO_MODE}: the gateway serves in the control silo only, set it to CONTROL`,
    ])
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
  return await io.untilSignalled(serving, () => void gateway.reload())
}
