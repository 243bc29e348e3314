import type { IncomingMessage, ServerResponse } from 'node:http'
import { answer, type Send } from './http.ts'
import { isSigned, namesTeam } from './verify.ts'

type Ask = (req: IncomingMessage, res: ServerResponse, body: Buffer) => void

/** Signature and form, then one region. It is given the secret and the region. */
export function askOne(sendTo: (region: string) => Send, [secret = '', region = '']: readonly string[]): Ask {
  const send = sendTo(region)
  return (req, res, body) => {
    if (isSigned(secret, req.headers, body) && namesTeam(body)) answer(res, send(req, body))
    else res.writeHead(401).end()
  }
}

/** Signature, then every region at once; the first answer is the answer. It is given the secret and the regions. */
export function askAll(sendTo: (region: string) => Send, [secret = '', ...regions]: readonly string[]): Ask {
  const sends = regions.map(sendTo)
  return (req, res, body) => {
    if (isSigned(secret, req.headers, body)) answer(res, Promise.any(sends.map((send) => send(req, body))))
    else res.writeHead(401).end()
  }
}
