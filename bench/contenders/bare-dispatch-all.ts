// node:http in, signature, undici `dispatch` to every region at once; the first answer is the answer.
import { askAll } from './ask.ts'
import { readBody, serve } from './http.ts'
import { sendByDispatch } from './send-by-dispatch.ts'

const ask = askAll(sendByDispatch, process.argv.slice(2))

serve((req, res) => readBody(req, (body) => ask(req, res, body)))
