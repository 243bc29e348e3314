// What does the job and nothing else: node:http in, signature and form, undici `request` out.
import { askOne } from './ask.ts'
import { readBody, serve } from './http.ts'
import { sendByRequest } from './send-by-request.ts'

const ask = askOne(sendByRequest, process.argv.slice(2))

serve((req, res) => readBody(req, (body) => ask(req, res, body)))
