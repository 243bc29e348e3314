import { createServer } from 'node:http'
import { ANSWER } from './slack-command.ts'

/*
 * A region that answers at once, or after so many milliseconds: what is measured is the way to it. `GET /asked` tells
 * how often it has been asked. Prints its port.
 */
const delayMs = Number(process.argv[2] ?? 0)
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
server.listen(0, '127.0.0.1', () => {
  const at = server.address()
  if (at !== null && typeof at === 'object') process.stdout.write(`${at.port}\n`)
})
// It ends with whoever started it, however that comes about.
process.on('disconnect', () => process.exit())
