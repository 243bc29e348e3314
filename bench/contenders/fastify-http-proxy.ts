// @fastify/http-proxy as its README has it: copies a request to one region, and looks at nothing.
import httpProxy from '@fastify/http-proxy'
import { fastify } from 'fastify'

const [, upstream = ''] = process.argv.slice(2)
const server = fastify()
await server.register(httpProxy, { upstream })
const address = await server.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`${new URL(address).port}\n`)
process.on('disconnect', () => process.exit())
