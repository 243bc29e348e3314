import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const PATIENCE_MS = 5000

/** A port of loopback for programs that cannot tell which one they were given. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Throws where nothing has come to listen there in time. */
export async function untilListening(port: number): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS
  while (!(await isListening(port))) {
    if (performance.now() > giveUpAt) throw new Error(`Nothing listens on 127.0.0.1:${port}`)
    await pause(20)
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
