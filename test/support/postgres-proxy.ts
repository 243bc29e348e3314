import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** What becomes of the next commit: it gets no further, or its answer does not come back. */
type Fate = 'never sent' | 'answer lost'

/** Stands between a client and a database server, and breaks connections at the worst of moments. */
export interface PostgresProxy {
  readonly port: number
  /** Breaks the connection that commits next. Resolves when it has. */
  breakNextCommit(fate: Fate): Promise<void>
  /** Until `open`, whoever connects is turned away, and nobody stays connected. */
  shut(): void
  open(): void
  close(): Promise<void>
}

/** As the protocol has it: a simple query, its length, its text. */
const COMMIT = Buffer.from('Q\0\0\0\x0bcommit\0', 'latin1')

export async function startPostgresProxy(port: number): Promise<PostgresProxy> {
  const sockets = new Set<Socket>()
  let isShut = false
  let next: { fate: Fate; done: () => void } | undefined

  const server = createServer((client) => {
    if (isShut) return void client.destroy()
    const upstream = connect(port, '127.0.0.1')
    let isLost = false
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.on('data', (data: Buffer) => {
      if (next === undefined || !data.includes(COMMIT)) return void upstream.write(data)
      const { fate, done } = next
      next = undefined
      if (fate === 'never sent') {
        end()
        return done()
      }
      isLost = true
      upstream.once('data', () => {
        end()
        done()
      })
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (!isLost) client.write(data)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  const shut = (): void => {
    isShut = true
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: address.port,
    breakNextCommit: (fate) =>
      new Promise((resolve) => {
        next = { fate, done: resolve }
      }),
    shut,
    open() {
      isShut = false
    },
    async close() {
      shut()
      server.close()
      await once(server, 'close')
    },
  }
}
