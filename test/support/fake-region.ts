import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as it reached a region, untouched. */
export interface RegionRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export interface FakeRegion {
  readonly url: string
  readonly port: number
  /** Everything that came, in order of completion. */
  readonly requests: RegionRequest[]
  /** Resolves when the next request (or, already here, the first one not waited for yet) is complete. */
  nextRequest(): Promise<RegionRequest>
  /** Connections that are open now. */
  connections(): Promise<number>
  close(): Promise<void>
}

export type Answer = (res: ServerResponse, request: RegionRequest, req: IncomingMessage) => void

/** A region on a free port that records what comes and answers as told; 200 with an empty body unless told otherwise. */
export async function startFakeRegion(answer: Answer = (res) => res.end()): Promise<FakeRegion> {
  const requests: RegionRequest[] = []
  const waiting: ((request: RegionRequest) => void)[] = []
  let handedOut = 0

  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('error', () => {})
    res.on('error', () => {})
    req.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = req
      const request = { method, url, headers, rawHeaders, body: Buffer.concat(chunks) }
      requests.push(request)
      const waiter = waiting.shift()
      if (waiter !== undefined) {
        handedOut += 1
        waiter(request)
      }
      answer(res, request, req)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    nextRequest() {
      const here = requests[handedOut]
      if (here !== undefined) {
        handedOut += 1
        return Promise.resolve(here)
      }
      return new Promise((resolve) => waiting.push(resolve))
    },
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
