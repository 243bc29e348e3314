/*
 * What an OTLP exporter sends, read by the field numbers of opentelemetry-proto (collector/trace/v1, trace/v1,
 * common/v1, resource/v1) and by nothing of the exporter's: a mistake of one is not made by the other as well.
 */

/** A span as a collector has it. */
export interface CollectedSpan {
  readonly resource: Attributes
  readonly scope: string
  readonly traceId: string
  readonly spanId: string
  /** Undefined: the first of its trace. */
  readonly parent: string | undefined
  readonly name: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly startNs: bigint
  readonly endNs: bigint
  readonly attributes: Attributes
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** 0 unset, 2 error. */
  readonly status: number
  readonly sampled: boolean
}

export type Attributes = Readonly<Record<string, unknown>>

/** Every span of an ExportTraceServiceRequest. Throws where the bytes are not protobuf. */
export function readSpans(request: Buffer): CollectedSpan[] {
  return messages(request, 1).flatMap((resourceSpans) => {
    const resource = attributesIn(messages(resourceSpans, 1)[0] ?? none, 1)
    return messages(resourceSpans, 2).flatMap((scopeSpans) => {
      const scope = text(messages(scopeSpans, 1)[0] ?? none, 1)
      return messages(scopeSpans, 2).map((span) => ({ resource, scope, ...spanIn(span) }))
    })
  })
}

function spanIn(span: Buffer): Omit<CollectedSpan, 'resource' | 'scope'> {
  return {
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    parent: hex(span, 4) || undefined,
    name: text(span, 5),
    kind: Number(last(span, 6, 0) ?? 0),
    startNs: BigInt(last(span, 7, 1) ?? 0),
    endNs: BigInt(last(span, 8, 1) ?? 0),
    attributes: attributesIn(span, 9),
    links: messages(span, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
    status: Number(last(messages(span, 15)[0] ?? none, 3, 0) ?? 0),
    sampled: (Number(last(span, 16, 5) ?? 0) & 1) === 1,
  }
}

function attributesIn(message: Buffer, field: number): Attributes {
  return Object.fromEntries(messages(message, field).map((pair) => [text(pair, 1), valueIn(messages(pair, 2)[0])]))
}

function valueIn(value: Buffer | undefined): unknown {
  const [only] = value === undefined ? [] : fieldsOf(value)
  if (only === undefined) return undefined
  switch (only.field) {
    case 1:
      return bytesOf(only).toString()
    case 2:
      return numberOf(only) === 1n
    case 3:
      return Number(BigInt.asIntN(64, numberOf(only)))
    case 4: {
      const double = Buffer.alloc(8)
      double.writeBigUInt64LE(numberOf(only))
      return double.readDoubleLE()
    }
    case 5:
      return messages(bytesOf(only), 1).map(valueIn)
    default:
      return undefined
  }
}

interface Field {
  readonly field: number
  /** 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
  readonly wire: number
  readonly value: bigint | Buffer
}

const none = Buffer.alloc(0)
const messages = (message: Buffer, field: number): Buffer[] =>
  fieldsOf(message).flatMap((one) => (one.field === field ? [bytesOf(one)] : []))
const text = (message: Buffer, field: number): string => (messages(message, field).at(-1) ?? none).toString()
const hex = (message: Buffer, field: number): string => (messages(message, field).at(-1) ?? none).toString('hex')

function bytesOf({ field, wire, value }: Field): Buffer {
  if (!Buffer.isBuffer(value)) throw new TypeError(`field ${field} has the wire type ${wire}`)
  return value
}

function numberOf({ field, wire, value }: Field): bigint {
  if (Buffer.isBuffer(value)) throw new TypeError(`field ${field} has the wire type ${wire}`)
  return value
}

function last(message: Buffer, field: number, wire: number): bigint | undefined {
  const found = fieldsOf(message).findLast((one) => one.field === field)
  if (found === undefined) return undefined
  if (found.wire !== wire) throw new TypeError(`field ${field} has the wire type ${found.wire}`)
  return numberOf(found)
}

function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const take = (bytes: number): Buffer => {
    if (at + bytes > message.length) throw new RangeError('the message ends within a field')
    at += bytes
    return message.subarray(at - bytes, at)
  }
  const varint = (): bigint => {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = BigInt(take(1)[0] ?? 0)
      value |= (byte & 127n) << shift
      if (byte < 128n) return value
    }
  }
  while (at < message.length) {
    const tag = Number(varint())
    const wire = tag & 7
    fields.push({ field: tag >>> 3, wire, value: valueOf(wire) })
  }
  return fields

  function valueOf(wire: number): bigint | Buffer {
    switch (wire) {
      case 0:
        return varint()
      case 1:
        return take(8).readBigUInt64LE()
      case 2:
        return take(Number(varint()))
      case 5:
        return BigInt(take(4).readUInt32LE())
      default:
        throw new TypeError(`there is no wire type ${wire}`)
    }
  }
}
