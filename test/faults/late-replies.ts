/*
 * Sabotage, loaded before the gateway by whoever wants to see that lateness is noticed: all is done in time, and of each
 * forty replies one is sent when Slack waits no longer.
 */
import { ServerResponse } from 'node:http'

const LATE_MS = 3200

// oxlint-disable-next-line typescript/unbound-method -- it is given the response that it is to end
const { end } = ServerResponse.prototype
let replies = 0
Object.defineProperty(ServerResponse.prototype, 'end', {
  value(this: ServerResponse, ...args: unknown[]) {
    const isLate = this.req.method === 'POST' && (replies += 1) % 40 === 0
    if (isLate) setTimeout(() => Reflect.apply(end, this, args), LATE_MS)
    else Reflect.apply(end, this, args)
    return this
  },
})
