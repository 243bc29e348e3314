// express in, signature and form, undici `request` out.
import express from 'express'
import { answer, serve } from './http.ts'
import { sendByRequest } from './send-by-request.ts'
import { isSigned, namesTeam } from './verify.ts'

const [secret = '', region = ''] = process.argv.slice(2)
const send = sendByRequest(region)

const app = express().disable('x-powered-by')
app.use(express.raw({ type: () => true }), (req, res) => {
  const body = req.body as Buffer
  if (isSigned(secret, req.headers, body) && namesTeam(body)) answer(res, send(req, body))
  else res.writeHead(401).end()
})
serve(app)
