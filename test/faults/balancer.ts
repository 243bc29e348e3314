import { connect, createServer, type Socket } from 'node:net'
import { listenSomewhere } from '../support/ports.ts'

export interface Balancer {
  readonly port: number
  close(): Promise<void>
}

/**
 * What stands in front of a fleet: hands each TCP connection to the next gateway in turn, and to the one after it where
 * that one refuses. Knows nothing of HTTP.
 */
export async function startBalancer(ports: () => readonly number[]): Promise<Balancer> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket))
  }
  let turn = 0
  const server = createServer({ pauseOnConnect: true }, (caller) => {
    keep(caller)
    const all = ports()
    turn += 1
    pass(caller, [...all.slice(turn % all.length), ...all.slice(0, turn % all.length)])
  })

  function pass(caller: Socket, [port, ...others]: readonly number[]): void {
    if (port === undefined) return void caller.destroy()
    const gateway = connect({ port, host: '127.0.0.1', noDelay: true })
    gateway.once('connect', () => {
      gateway.off('error', refused)
      keep(gateway)
      caller.pipe(gateway).pipe(caller)
      caller.once('close', () => gateway.destroy())
      gateway.once('close', () => caller.destroy())
      caller.resume()
    })
    const refused = (): void => pass(caller, others)
    gateway.once('error', refused)
  }

  const port = await listenSomewhere(server)
  return {
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
