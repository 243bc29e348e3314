import type { Clock } from '../../../src/clock.ts'
import { LEASE_MS, type NewOwedAnswer, type OrphanedAnswer, type OwedAnswers } from '../../../src/delivery/spool.ts'
import type { Sealed } from '../../../src/delivery/spool.ts'

interface Row {
  readonly answer: NewOwedAnswer
  owner: object
  state: 'waiting' | 'ready' | 'posting'
  message: Sealed | undefined
  posts: number
}

/** One store of owed answers that several instances work on, each under a lease that its own writes renew. */
export interface OwedStore {
  readonly rows: Map<string, Row>
  connect(): OwedAnswers
}

export function createOwedStore(clock: Clock): OwedStore {
  const rows = new Map<string, Row>()
  const leases = new Map<object, number>()
  return {
    rows,
    connect() {
      const me = {}
      const mine = (delivery: string): Row | undefined => {
        leases.set(me, clock.monotonic() + LEASE_MS)
        const row = rows.get(delivery)
        return row?.owner === me ? row : undefined
      }
      return {
        async owe(answer) {
          mine(answer.delivery)
          const { message } = answer
          const state = message === undefined ? 'waiting' : 'ready'
          rows.set(answer.delivery, { answer, owner: me, state, message, posts: 0 })
        },
        async posting(delivery, message) {
          const row = mine(delivery)
          if (row === undefined) return false
          Object.assign(row, { state: 'posting', message })
          return true
        },
        async unposted(delivery) {
          const row = mine(delivery)
          if (row !== undefined) Object.assign(row, { state: 'ready', posts: row.posts + 1 })
        },
        async paid(delivery) {
          if (mine(delivery) !== undefined) rows.delete(delivery)
        },
        async takeOver() {
          const orphans: OrphanedAnswer[] = []
          for (const row of rows.values()) {
            if ((leases.get(row.owner) ?? 0) > clock.monotonic()) continue
            row.owner = me
            const { message: _, ...answer } = row.answer
            orphans.push({ ...answer, state: stateOf(row) })
          }
          leases.set(me, clock.monotonic() + LEASE_MS)
          return orphans
        },
      }
    },
  }
}

function stateOf({ state, message, posts }: Row): OrphanedAnswer['state'] {
  return state === 'ready' && message !== undefined ? { kind: 'ready', message, posts } : { kind: state as 'waiting' }
}
