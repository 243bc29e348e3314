// As bare-request.ts, with the way out that undici itself is built on.
import { askOne } from './ask.ts'
import { readBody, serve } from './http.ts'
import { sendByDispatch } from './send-by-dispatch.ts'

const ask = askOne(sendByDispatch, process.argv.slice(2))

serve((req, res) => readBody(req, (body) => ask(req, res, body)))
