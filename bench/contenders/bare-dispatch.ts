// As bare-request.ts, with the way out that undici itself is built on.
import { answer, readBody, serve } from './http.ts'
import { sendByDispatch } from './send-by-dispatch.ts'
import { isSigned, namesTeam } from './verify.ts'

const [secret = '', region = ''] = process.argv.slice(2)
const send = sendByDispatch(region)

serve((req, res) =>
  readBody(req, (body) => {
    if (isSigned(secret, req.headers, body) && namesTeam(body)) answer(res, send(req, body))
    else res.writeHead(401).end()
  }),
)
