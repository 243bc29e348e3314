import { coreVariables } from './config/environment.ts'
import { requireVariables } from './config/required.ts'
import { createGateway as open, type Gateway as WholeGateway, type GatewayOptions } from './gateway.ts'
import { gatewayMiddleware as middleware, type Middleware, type MiddlewareOptions } from './middleware.ts'

/**
 * A gateway that is open. `ready()`: whether it should be sent requests. `reload()`: reads the configuration again, as
 * happens by itself when one of its files changes, and returns its faults, one line each; with any nothing changes.
 * `startDraining()`: not ready from now on, while everything goes on. `close()`: lets nothing more in, waits for what is
 * under way and closes everything.
 */
export type Gateway = Pick<WholeGateway, 'ready' | 'reload' | 'startDraining' | 'close'>

/**
 * Opens a gateway; throws a `ConfigurationError`, or the database's error when it cannot be opened. Where `SILO_MODE` is
 * not `CONTROL` nothing else is read or opened: regions hold no secret of the control silo.
 */
export async function createGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const { SILO_MODE } = requireVariables(coreVariables.pick({ SILO_MODE: true }), options.env)
  return SILO_MODE === 'CONTROL' ? await open(options) : elsewhere
}

/** The gateway of a process that is not the control silo: no path is its. */
const elsewhere: Gateway & Pick<WholeGateway, 'doorAt'> = {
  doorAt: () => undefined,
  ready: () => Promise.resolve(true),
  reload: () => [],
  startDraining() {},
  close: () => Promise.resolve(),
}

/** The gateway inside a control app, ahead of every body parser. `gateway` is what `createGateway` gave. */
export const gatewayMiddleware = (gateway: Gateway, options?: MiddlewareOptions): Middleware =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- there is no other way to have one
  middleware(gateway as WholeGateway, options)

export { ConfigurationError } from './config/required.ts'
export { SiloClientError } from './errors.ts'
export type { GatewayOptions, Middleware, MiddlewareOptions }
export type { RegionResult } from './dispatch/region-result.ts'
