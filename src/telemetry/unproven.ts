/**
 * Webhooks a second that something is kept of, of those that are not proven to be their provider's: anybody can send
 * such, as many as a network carries, and each would cost a line, a record and a span that push out somebody else's.
 */
const PER_SECOND = 50

/** Tells of each unproven webhook whether it is one too many. Told when it came, in unix milliseconds. */
export function limitUnproven(): (receivedAt: number) => boolean {
  let current = { second: 0, count: 0 }
  return (receivedAt) => {
    const second = Math.floor(receivedAt / 1000)
    if (current.second !== second) current = { second, count: 0 }
    current.count += 1
    return current.count > PER_SECOND
  }
}
