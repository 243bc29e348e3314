// The least that does the job at all: node:http in, signature and form, undici `request` out.
import { answer, readBody, serve } from './http.ts'
import { sendByRequest } from './send-by-request.ts'
import { isSigned, namesTeam } from './verify.ts'

const [secret = '', region = ''] = process.argv.slice(2)
const send = sendByRequest(region)

serve((req, res) =>
  readBody(req, (body) => {
    if (isSigned(secret, req.headers, body) && namesTeam(body)) answer(res, send(req, body))
    else res.writeHead(401).end()
  }),
)
