import { createServer, type Server } from 'node:http'
import express from 'express'
import { Refusal } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { problemReply, sendReply } from '../send-reply.ts'

/** The operator's listener. Health needs no token: a probe has none, and it tells nothing but yes or no. */
export function createAdminListener(gateway: Gateway): Server {
  const app = express().disable('x-powered-by').disable('etag')
  app.get('/health/live', (_req, res) => {
    res.json({ status: 'live' })
  })
  app.get('/health/ready', async (_req, res) => {
    const ready = await gateway.ready()
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : gateway.draining() ? 'draining' : 'unready' })
  })
  app.use((_req, res) => {
    sendReply(res, problemReply(new Refusal('not_found', 'The admin listener has /health/live and /health/ready.')), [])
  })
  return createServer(app)
}
