import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool } from 'undici'

// The least that does the job at all: node:http in, signature and form, undici `request` out. Prints its port.
const [upstream = '', secret = ''] = process.argv.slice(2)
const pool = new Pool(upstream, { connections: 256 })

function isSigned(timestamp: string, signature: string, body: Buffer): boolean {
  const digest = createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex')
  const expected = Buffer.from(`v0=${digest}`)
  const given = Buffer.from(signature)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

async function answer(req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<void> {
  const { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': signature } = req.headers
  if (!isSigned(String(timestamp), String(signature), body) || !new URLSearchParams(body.toString()).has('team_id')) {
    res.writeHead(401).end()
    return
  }
  const { host: _, connection: __, 'content-length': ___, ...headers } = req.headers
  const reply = await pool.request({ method: 'POST', path: req.url ?? '/', headers, body })
  const content = Buffer.from(await reply.body.arrayBuffer())
  res.writeHead(reply.statusCode, { 'content-type': String(reply.headers['content-type']) }).end(content)
}

const server = createServer((req, res) => {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => void answer(req, res, Buffer.concat(chunks)).catch(() => res.writeHead(502).end()))
})
server.listen(0, '127.0.0.1', () => {
  const at = server.address()
  if (at !== null && typeof at === 'object') process.stdout.write(`${at.port}\n`)
})
