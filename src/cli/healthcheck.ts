import { get } from 'node:http'
import { coreVariables } from '../config/environment.ts'
import { ConfigurationError, requireVariables } from '../config/required.ts'
import type { ExitCode, Process } from './process.ts'

/** A gateway that has not said so within this time is not ready: probes come every few seconds. */
const PATIENCE_MS = 3000

export async function healthcheck(io: Process, options: { json?: true }): Promise<ExitCode> {
  const { ADMIN_HOST, ADMIN_PORT } = requireVariables(coreVariables.pick({ ADMIN_HOST: true, ADMIN_PORT: true }))
  // Listening on every address is not an address to connect to.
  const host = ADMIN_HOST === '0.0.0.0' ? '127.0.0.1' : ADMIN_HOST === '::' ? '::1' : ADMIN_HOST
  if (ADMIN_PORT === 0) throw new ConfigurationError(['ADMIN_PORT is 0: say which port the gateway has taken'])
  const asked = await new Promise<number | Error>((resolve) => {
    const request = get({ host, port: ADMIN_PORT, path: '/health/ready', timeout: PATIENCE_MS }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)))
    request.on('error', resolve)
  })
  const ready = asked === 200
  const status = asked instanceof Error ? null : asked
  if (options.json === true) io.stdout.write(`${JSON.stringify({ ready, status })}\n`)
  if (ready) return 0
  io.stderr.write(`not ready: ${asked instanceof Error ? asked.message : `/health/ready answered ${asked}`}\n`)
  return 1
}
