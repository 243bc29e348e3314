import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Refusal } from './errors.ts'
import { noteFirstBytes } from './first-byte.ts'
import type { Gateway } from './gateway.ts'
import { allDoors, ownHeaders } from './middleware.ts'
import { notYetToldToContinue } from './receive.ts'
import { refuseUnreadable } from './refuse-unreadable.ts'
import { problemReply, sendReply, sendReplyAndClose } from './send-reply.ts'

/** The listener behind Slack's URL: every provider's doors, and 404 for the rest. */
export function createPublicListener(gateway: Gateway): Server {
  const { clock } = gateway
  const requestId = (): string => gateway.ids.delivery(clock.now())

  const webhooks = allDoors(gateway)
  const notFound = (res: ServerResponse): void => {
    const refusal = new Refusal('not_found', 'Webhooks are taken at the paths of the README.')
    sendReply(res, problemReply(refusal), ownHeaders(gateway, requestId()))
  }

  const server = createServer({
    // A caller that drips its headers holds a socket but no webhook: 10 s, checked every second.
    headersTimeout: 10_000,
    connectionsCheckingInterval: 1000,
    // Longer than the 60 s for which common load balancers keep an idle connection, so that they close it first
    // and never send a webhook into a connection that we are just closing.
    keepAliveTimeout: 65_000,
    // Asked for below: node's own answer would have no id.
    requireHostHeader: false,
  })
  const arrived = noteFirstBytes(server, clock)
  const readable = refuseUnreadable(server, { clock, requestId })
  const refuse = (req: IncomingMessage, res: ServerResponse, refusal: Refusal): void => {
    if (!readable(req.socket, res)) return
    sendReplyAndClose(req, res, problemReply(refusal), ownHeaders(gateway, requestId()), clock)
  }
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    arrived(req, res)
    if (req.headers.host === undefined && req.httpVersion === '1.1') {
      refuse(req, res, new Refusal('malformed_http', 'A request has a Host header (RFC 9112 section 3.2).'))
      return
    }
    if (readable(req.socket, res)) webhooks(req, res, () => notFound(res))
  }
  server.on('request', answer)
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    notYetToldToContinue.add(req)
    answer(req, res)
  })
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    // Whoever expects something waits for it before the body.
    notYetToldToContinue.add(req)
    refuse(req, res, new Refusal('expectation_failed', 'Send Expect: 100-continue or none.'))
  })
  return server
}
