import { createServer } from 'node:http'

// A region that answers at once: what is measured is the way to it. Prints its port.
const server = createServer((req, res) => {
  req.resume().on('end', () => {
    res.writeHead(200, { 'Content-Type': 'application/json' })
    res.end('{"text":"done"}')
  })
})
server.listen(0, '127.0.0.1', () => {
  const at = server.address()
  if (at !== null && typeof at === 'object') process.stdout.write(`${at.port}\n`)
})
