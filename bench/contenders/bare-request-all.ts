// node:http in, signature, undici `request` to every region at once; the first answer is the answer.
import { askAll } from './ask.ts'
import { readBody, serve } from './http.ts'
import { sendByRequest } from './send-by-request.ts'

const ask = askAll(sendByRequest, process.argv.slice(2))

serve((req, res) => readBody(req, (body) => ask(req, res, body)))
