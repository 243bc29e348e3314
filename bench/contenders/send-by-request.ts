import { Pool } from 'undici'
import { headersToSend, type Send } from './http.ts'

export function sendByRequest(region: string): Send {
  const pool = new Pool(region, { connections: 256 })
  return async (req, body) => {
    const reply = await pool.request({ method: 'POST', path: req.url ?? '/', headers: headersToSend(req), body })
    const content = Buffer.from(await reply.body.arrayBuffer())
    return { status: reply.statusCode, contentType: String(reply.headers['content-type']), content }
  }
}
