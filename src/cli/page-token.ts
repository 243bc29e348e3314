import { ConfigurationError } from '../config/required.ts'
import { createGateway } from '../gateway.ts'
import { providers } from '../providers/index.ts'
import { silentLog } from '../telemetry/log.ts'
import type { ExitCode, Process } from './process.ts'

export interface PageTokenOptions {
  /** Default: the first. */
  readonly provider?: string
  readonly integration: string
  readonly organization?: string
  readonly user?: string
  readonly expiresIn: number
  readonly json?: true
}

/** Signs a token for an integration that is there: a link that can only lead to an error is not handed out. */
export async function pageToken(io: Process, options: PageTokenOptions): Promise<ExitCode> {
  const gateway = await createGateway({ log: silentLog })
  try {
    const { provider: wanted = providers[0].name } = options
    const provider = gateway.providers().find(({ name }) => name === wanted)
    if (provider === undefined) throw new Error(`There is no provider ${wanted}.`)
    if (provider.pageToken === undefined) {
      throw new ConfigurationError(['PAGE_SIGNING_SECRET is required: without it there are no pages'])
    }
    const name = await gateway.store.identities.integrationName(provider.name, options.integration)
    if (name === undefined) {
      throw new Error(`No active integration of ${provider.name} has the id ${options.integration}.`)
    }
    const token = await provider.pageToken(
      { integrationId: options.integration, organizationId: options.organization, externalUserId: options.user },
      Math.floor(options.expiresIn / 1000),
    )
    const expires = new Date(gateway.clock.now() + options.expiresIn).toISOString()
    io.stdout.write(options.json === true ? `${JSON.stringify({ token, expires })}\n` : `${token}\n`)
    return 0
  } finally {
    await gateway.close()
  }
}
