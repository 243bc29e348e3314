// express in, signature and form, undici `request` out.
import express from 'express'
import { askOne } from './ask.ts'
import { serve } from './http.ts'
import { sendByRequest } from './send-by-request.ts'

const ask = askOne(sendByRequest, process.argv.slice(2))

const app = express().disable('x-powered-by')
app.use(express.raw({ type: () => true }), (req, res) => ask(req, res, req.body as Buffer))
serve(app)
