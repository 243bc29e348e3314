import { createServer, type Server } from 'node:http'
import express from 'express'
import { Refusal } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { allDoors, ownHeaders } from './middleware.ts'
import { notYetToldToContinue } from './receive.ts'
import { problemReply, sendReply } from './send-reply.ts'

/** The listener behind Slack's URL: every provider's doors, and 404 for the rest. */
export function createPublicListener(gateway: Gateway): Server {
  const app = express().disable('x-powered-by').disable('etag')
  app.use(allDoors(gateway))
  app.use((_req, res) => {
    const refusal = new Refusal('not_found', 'Webhooks are taken at the paths of the README.')
    sendReply(res, problemReply(refusal), ownHeaders(gateway, gateway.ids.delivery(gateway.clock.now())))
  })

  const server = createServer(
    {
      // A caller that drips its headers holds a socket but no webhook: 10 s, checked every second.
      headersTimeout: 10_000,
      connectionsCheckingInterval: 1000,
      // Longer than the 60 s for which common load balancers keep an idle connection, so that they close it first
      // and never send a webhook into a connection that we are just closing.
      keepAliveTimeout: 65_000,
    },
    app,
  )
  server.on('checkContinue', (req, res) => {
    notYetToldToContinue.add(req)
    app(req, res)
  })
  return server
}
