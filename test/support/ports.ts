import { createServer, type Server } from 'node:net'

/**
 * Below the ports that the system hands out by itself (32768 and up on Linux): one that is let go for a while, as by a
 * region that refuses connections, is not taken in between by somebody's connection, or by a server of another test.
 */
const [first, count] = [20_000, 12_000]
/** Test files that run beside each other have a thousand each. */
const mine = first + ((1000 * Number(process.env['VITEST_POOL_ID'] ?? 0)) % count)
/** Nor is one handed out twice, while who had it is being started again. */
const handedOut = new Set<number>()

/** Takes a port of loopback that nobody listens on. */
export async function listenSomewhere(server: Server, random: () => number = Math.random): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = mine + Math.floor(random() * 1000)
    if (handedOut.has(port)) continue
    try {
      await listenAt(server, port)
      handedOut.add(port)
      return port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries >= 100) throw error
    }
  }
}

export function listenAt(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** A port on which nobody listens: connections to it are refused. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listenSomewhere(server)
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
