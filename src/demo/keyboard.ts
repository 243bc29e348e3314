/**
 * Calls `onKey` for every key pressed, Ctrl-C included (`\u0003`), without waiting for a line to end. Does nothing
 * where stdin is no terminal. The returned function gives the terminal back as it was.
 */
export function readKeys(stdin: NodeJS.ReadStream, onKey: (key: string) => void): () => void {
  if (!stdin.isTTY) return () => undefined
  const wasRaw = stdin.isRaw
  const onData = (chunk: Buffer): void => {
    for (const key of chunk.toString('utf8')) onKey(key)
  }
  stdin.setRawMode(true)
  stdin.on('data', onData)
  return () => {
    stdin.off('data', onData)
    stdin.setRawMode(wasRaw)
    stdin.pause()
  }
}
