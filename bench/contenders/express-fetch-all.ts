// express in, signature, Node's own `fetch` to every region at once; the first answer is the answer.
import express from 'express'
import { askAll } from './ask.ts'
import { serve } from './http.ts'
import { sendByFetch } from './send-by-fetch.ts'

const ask = askAll(sendByFetch, process.argv.slice(2))

const app = express().disable('x-powered-by')
app.use(express.raw({ type: () => true }), (req, res) => ask(req, res, req.body as Buffer))
serve(app)
