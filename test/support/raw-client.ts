import { connect, type Socket } from 'node:net'

/** One connection, written to byte by byte and read as text. */
export interface RawClient {
  readonly socket: Socket
  readonly write: (bytes: string | Buffer) => void
  /** Everything heard so far, as Latin-1. */
  readonly heard: () => string
  /** Resolves once what was heard matches. */
  readonly hears: (pattern: RegExp) => Promise<string>
  /** Resolves with everything heard when the other end has closed. */
  readonly closed: Promise<string>
}

export function rawClient(port: number): RawClient {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  const heard = (): string => Buffer.concat(chunks).toString('latin1')
  const waiting = new Set<() => void>()
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    chunks.push(bytes)
    for (const look of waiting) look()
  })
  return {
    socket,
    write: (bytes) => void socket.write(bytes),
    heard,
    hears: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(heard())) return
          waiting.delete(look)
          resolve(heard())
        }
        waiting.add(look)
        socket.once('close', () => reject(new Error(`Closed before ${String(pattern)}, after: ${heard()}`)))
        look()
      }),
    closed: new Promise((resolve) => socket.once('close', () => resolve(heard()))),
  }
}
