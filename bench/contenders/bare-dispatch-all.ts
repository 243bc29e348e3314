// node:http in, signature, undici `dispatch` to every region at once; the first answer is the answer.
import { answer, readBody, serve } from './http.ts'
import { sendByDispatch } from './send-by-dispatch.ts'
import { isSigned } from './verify.ts'

const [secret = '', ...regions] = process.argv.slice(2)
const sends = regions.map(sendByDispatch)

serve((req, res) =>
  readBody(req, (body) => {
    if (isSigned(secret, req.headers, body)) answer(res, Promise.any(sends.map((send) => send(req, body))))
    else res.writeHead(401).end()
  }),
)
