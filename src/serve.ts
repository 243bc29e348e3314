import type { Server } from 'node:http'
import { adminApp, createStartingListener, type AdminOptions } from './admin/admin-listener.ts'
import type { Settings } from './config/environment.ts'
import type { Gateway } from './gateway.ts'
import { createPublicListener } from './public-listener.ts'

export interface Serving {
  /** `http://host:port` of each listener, with the ports that were really taken. */
  readonly publicUrl: string
  readonly adminUrl: string
  /**
   * Turns ready to 503, goes on accepting for `DRAIN_DELAY_MS` so that load balancers notice, then stops, answers
   * what is in flight and closes everything. Cut short after `DRAIN_TIMEOUT_MS`, connections and all; resolves to
   * whether all was done.
   */
  drain(): Promise<boolean>
}

/**
 * What is left of `DRAIN_TIMEOUT_MS` to give back what is owed, so that the next instance need not wait until the lease
 * of this one lapses; at most a tenth of what there is to answer what is in flight.
 */
const GIVE_BACK_MS = 500

/**
 * Opens the admin listener: alive, and not ready before a gateway is served. Rejects when its port cannot be had; then
 * nothing stays open.
 */
export async function openAdminListener({
  ADMIN_PORT,
  ADMIN_HOST,
}: Pick<Settings, 'ADMIN_PORT' | 'ADMIN_HOST'>): Promise<Server> {
  const admin = createStartingListener()
  await listen(admin, ADMIN_PORT, ADMIN_HOST).catch(namedAs('ADMIN_HOST and ADMIN_PORT'))
  return admin
}

/**
 * Opens the public listener and has the admin listener, which may be open already, tell of the gateway. Rejects when a
 * port cannot be had; then nothing stays open.
 */
export async function serve(gateway: Gateway, adminOptions: AdminOptions = {}, opened?: Server): Promise<Serving> {
  const { clock } = gateway
  const { settings } = gateway.configuration()
  const front = createPublicListener(gateway)
  const app = adminApp(gateway, adminOptions)
  const admin = await openBoth().catch(async (error: unknown) => {
    await gateway.close()
    throw error
  })
  // Not before: who hears that it is ready sends it something.
  admin.removeAllListeners('request').on('request', app)

  async function openBoth(): Promise<Server> {
    const admin = opened ?? (await openAdminListener(settings))
    try {
      await listen(front, settings.PORT, settings.HOST).catch(namedAs('HOST and PORT'))
      return admin
    } catch (error) {
      await close(admin)
      throw error
    }
  }

  return {
    publicUrl: urlOf(front),
    adminUrl: urlOf(admin),
    drain() {
      gateway.startDraining()
      const { DRAIN_DELAY_MS, DRAIN_TIMEOUT_MS } = gateway.configuration().settings
      return new Promise<boolean>((resolve, reject) => {
        const patienceMs = DRAIN_TIMEOUT_MS - Math.min(GIVE_BACK_MS, (DRAIN_TIMEOUT_MS - DRAIN_DELAY_MS) / 10)
        const cutShort = clock.after(patienceMs, () => {
          cancelDelay()
          void cut().then(() => resolve(false), reject)
        })
        const cut = async (): Promise<void> => {
          const webhooks = gateway.underWay()
          const [atFront, atAdmin] = await Promise.all([connectionsOf(front), connectionsOf(admin)])
          gateway.log.warn({ webhooks, connections: atFront + atAdmin }, 'The drain was cut short by DRAIN_TIMEOUT_MS')
          for (const server of [front, admin]) server.close().closeAllConnections()
          // A store that is away keeps what is owed as well as one that is told; nobody waits for it.
          const late = Promise.withResolvers<void>()
          const cancel = clock.after(DRAIN_TIMEOUT_MS - patienceMs, late.resolve)
          await Promise.race([gateway.giveBack(), late.promise])
          cancel()
        }
        const finish = async (): Promise<void> => {
          // Health stays up to the last: a probe that is refused would look like a crash.
          await close(front)
          await gateway.close()
          await close(admin)
          cutShort()
          resolve(true)
        }
        const cancelDelay = clock.after(DRAIN_DELAY_MS, () => void finish().catch(reject))
      })
    },
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** The system names an address that is taken or not ours, but not where it was said. */
function namedAs(variables: string): (error: Error) => never {
  return (error) => {
    throw new Error(`${error.message}: choose another address with ${variables}`, { cause: error })
  }
}

/** Stops accepting, ends idle connections, and resolves when the last request in flight has been answered. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

function urlOf(server: Server): string {
  const at = server.address()
  if (at === null || typeof at === 'string') throw new TypeError('The server does not listen on a port')
  return `http://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`
}
