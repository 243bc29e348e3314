import { headersToSend, type Send } from './http.ts'

/** With Node's own `fetch`. */
export function sendByFetch(region: string): Send {
  return async (req, body) => {
    const headers = headersToSend(req) as Record<string, string>
    const reply = await fetch(`${region}${req.url}`, { method: 'POST', headers, body: new Uint8Array(body) })
    const content = Buffer.from(await reply.arrayBuffer())
    return { status: reply.status, contentType: String(reply.headers.get('content-type')), content }
  }
}
