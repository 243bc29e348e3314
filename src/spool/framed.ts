/** A description, and the bytes that it describes as they are, in one buffer: a length, JSON, and the bytes. */
export function framed(description: object, bytes: Uint8Array): Buffer {
  const text = Buffer.from(JSON.stringify(description))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text, bytes])
}

/** @throws where the bytes are not what `framed` makes. */
export function unframed(buffer: Buffer): { description: unknown; bytes: Buffer } {
  const end = 4 + buffer.readUInt32BE(0)
  if (end > buffer.length) throw new RangeError('What was kept is cut short')
  return { description: JSON.parse(buffer.toString('utf8', 4, end)), bytes: buffer.subarray(end) }
}
