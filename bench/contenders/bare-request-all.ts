// node:http in, signature, undici `request` to every region at once; the first answer is the answer.
import { answer, readBody, serve } from './http.ts'
import { sendByRequest } from './send-by-request.ts'
import { isSigned } from './verify.ts'

const [secret = '', ...regions] = process.argv.slice(2)
const sends = regions.map(sendByRequest)

serve((req, res) =>
  readBody(req, (body) => {
    if (isSigned(secret, req.headers, body)) answer(res, Promise.any(sends.map((send) => send(req, body))))
    else res.writeHead(401).end()
  }),
)
