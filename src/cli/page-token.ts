import { z } from 'zod'
import { systemClock } from '../clock.ts'
import { readConfiguration } from '../config/configuration.ts'
import { ConfigurationError } from '../config/required.ts'
import type { DirectoryStore } from '../directory/store.ts'
import { providers } from '../providers/index.ts'
import type { ExitCode, Process } from './process.ts'
import { providersAlone } from './providers-alone.ts'
import { findServer, type Server } from './server.ts'
import { COMMAND_LINE, withDirectory } from './stores.ts'

export interface PageTokenOptions {
  /** Default: the first. */
  readonly provider?: string
  readonly integration: string
  readonly organization?: string
  readonly user?: string
  /** In milliseconds. */
  readonly expiresIn: number
  readonly json?: true
}

interface Signed {
  readonly token: string
  /** ISO 8601. */
  readonly expires: string
}

/** Signs a token for an integration that is there: a link that can only lead to an error is not handed out. */
export async function pageToken(io: Process, options: PageTokenOptions): Promise<ExitCode> {
  const signed = await withDirectory(async (store) => {
    const server = await findServer(io, store)
    return server === undefined ? await signHere(options, store) : await signedBy(server, options)
  })
  io.stdout.write(options.json === true ? `${JSON.stringify(signed)}\n` : `${signed.token}\n`)
  return 0
}

/** On the store itself: a gateway that was opened for it would deliver what waits. */
async function signHere(
  { provider: wanted, integration, organization, user, expiresIn }: PageTokenOptions,
  { identities, audit }: DirectoryStore,
): Promise<Signed> {
  const reading = readConfiguration({ definitions: providers })
  if (!reading.ok) throw new ConfigurationError(reading.faults)
  const name = wanted ?? providers[0].name
  const provider = providersAlone(reading.configuration, identities).find((one) => one.name === name)
  if (provider === undefined) throw new Error(`There is no provider ${name}.`)
  if (provider.pageToken === undefined) {
    throw new ConfigurationError(['PAGE_SIGNING_SECRET is required: without it there are no pages'])
  }
  if ((await identities.integrationName(name, integration)) === undefined) {
    throw new Error(`No active integration of ${name} has the id ${integration}.`)
  }
  const seconds = Math.floor(expiresIn / 1000)
  const token = await provider.pageToken(
    { integrationId: integration, organizationId: organization, externalUserId: user },
    seconds,
  )
  // As the gateway's own API has it: what is not written down is not handed out.
  await audit.record({
    author: COMMAND_LINE,
    action: 'page_token.sign',
    subject: `integration ${integration}`,
    details: { organizationId: organization, externalUserId: user, expiresInSeconds: seconds },
  })
  return { token, expires: new Date(systemClock.now() + expiresIn).toISOString() }
}

async function signedBy(
  server: Server,
  { provider, integration, organization, user, expiresIn }: PageTokenOptions,
): Promise<Signed> {
  const { body } = await server.ask('POST', '/api/page-tokens', {
    body: {
      provider,
      integration_id: integration,
      organization_id: organization,
      external_user_id: user,
      expires_in_seconds: Math.floor(expiresIn / 1000),
    },
  })
  const { token, expires_at: expires } = answered.parse(body)
  return { token, expires }
}

const answered = z.object({ token: z.string(), expires_at: z.string() })
