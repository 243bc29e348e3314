import type { IncomingHttpHeaders, IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'

export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly content: Buffer
}

/** Sends a request on to one region, whichever way. */
export type Send = (req: IncomingMessage, body: Buffer) => Promise<Reply>

/** What a bench asks of a server: a free port of loopback, printed, and an end with whoever started it. */
export function serve(listener: RequestListener): void {
  const server: Server = createServer(listener)
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
  process.on('disconnect', () => process.exit())
}

export function readBody(req: IncomingMessage, then: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => then(Buffer.concat(chunks)))
}

/** All but those of the connection. */
export function headersToSend(req: IncomingMessage): IncomingHttpHeaders {
  const { host: _, connection: __, 'content-length': ___, ...headers } = req.headers
  return headers
}

/** 502 where there is no reply. */
export function answer(res: ServerResponse, reply: Promise<Reply>): void {
  reply.then(
    ({ status, contentType, content }) =>
      res.writeHead(status, { 'content-type': contentType, 'content-length': content.length }).end(content),
    () => res.writeHead(502).end(),
  )
}
