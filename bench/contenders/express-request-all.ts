// express in, signature, undici `request` to every region at once; the first answer is the answer.
import express from 'express'
import { answer, serve } from './http.ts'
import { sendByRequest } from './send-by-request.ts'
import { isSigned } from './verify.ts'

const [secret = '', ...regions] = process.argv.slice(2)
const sends = regions.map(sendByRequest)

const app = express().disable('x-powered-by')
app.use(express.raw({ type: () => true }), (req, res) => {
  const body = req.body as Buffer
  if (isSigned(secret, req.headers, body)) answer(res, Promise.any(sends.map((send) => send(req, body))))
  else res.writeHead(401).end()
})
serve(app)
