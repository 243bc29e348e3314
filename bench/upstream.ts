import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ANSWER } from './slack-command.ts'

/*
 * A region that answers at once, or after so many milliseconds: what is measured is the way to it. `GET /asked` tells
 * how often it has been asked. Or so many of them, each with a port and a count of its own. Prints the ports in a line.
 */
const [delayMs = 0, regions = 1] = process.argv.slice(2).map(Number)

async function serveRegion(): Promise<number> {
  let asked = 0
  const server = createServer((req, res) => {
    if (req.method === 'GET') {
      res.end(String(asked))
      return
    }
    asked += 1
    const answer = (): void => {
      res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length }).end(ANSWER)
    }
    req.resume().on('end', delayMs === 0 ? answer : () => setTimeout(answer, delayMs))
  })
  // Whoever keeps its connections open finds them open between two rounds too.
  server.keepAliveTimeout = 600_000
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

// It ends with whoever started it, however that comes about.
process.on('disconnect', () => process.exit())
const ports = await Promise.all(Array.from({ length: regions }, serveRegion))
process.stdout.write(`${ports.join(' ')}\n`)
