import { deliveryFrom, deliveryOut, type Delivery } from '../records/told.ts'
import type { ExitCode, Process } from './process.ts'
import { findServer } from './server.ts'
import { withDirectory } from './stores.ts'

/** Prints what has become of a webhook: by what the gateway that runs here knows, or else by what is written down. */
export async function explainDelivery(io: Process, id: string, json: true | undefined): Promise<ExitCode> {
  const delivery = await withDirectory(async (store): Promise<Delivery | undefined> => {
    // What it has not written yet, nobody else can know.
    const server = await findServer(io, store)
    if (server !== undefined) {
      const { status, body } = await server.ask('GET', `/api/deliveries/${encodeURIComponent(id)}`, { allow: [404] })
      return status === 404 ? undefined : deliveryOut.parse(body)
    }
    const stored = await store.records.read(id)
    return stored && deliveryFrom(stored)
  })
  if (delivery === undefined) {
    io.stderr.write(
      `nothing is recorded of delivery ${JSON.stringify(id)}: it may be older than RECORD_DAYS, or of elsewhere\n`,
    )
    return 1
  }
  io.stdout.write(json === true ? `${JSON.stringify(delivery)}\n` : `${delivery.lines.join('\n')}\n`)
  return 0
}
