import type { Claims } from '../dedup/claims.ts'
import type { Redis } from './redis.ts'

/** The first byte of what is kept: a claim and whose it is, or an outcome. */
const RUNNING = 'r'
const DONE = 'd'

/** An outcome gives way to none that comes later, and a claim to every outcome: what is done need not be done again. */
const SETTLE = `
local before = redis.call('GET', KEYS[1])
if before and string.sub(before, 1, 1) == '${DONE}' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

/** Asked and done in one, so that a claim that has lapsed takes nobody else's away. */
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

/** Claims are keys that expire. Scripts are sent as they are, so that one that was restarted knows them, too. */
export function createRedisClaims(redis: Pick<Redis, 'ask' | 'key'>): Claims {
  const named = (key: string): string => redis.key(`dedup:${key}`)
  return {
    async claim(key, token, leaseMs) {
      const lease = Math.ceil(leaseMs)
      const before = await redis.ask((client) =>
        client.setBuffer(named(key), `${RUNNING}${token}`, 'PX', lease, 'NX', 'GET'),
      )
      if (before === null) return { kind: 'ours' }
      return before.toString('latin1', 0, 1) === DONE
        ? { kind: 'done', outcome: before.subarray(1) }
        : { kind: 'running' }
    },
    async settle(key, outcome, lifeMs) {
      const value = Buffer.concat([Buffer.from(DONE), outcome])
      await redis.ask((client) => client.eval(SETTLE, 1, named(key), value, lifeMs))
    },
    async release(key, token) {
      await redis.ask((client) => client.eval(RELEASE, 1, named(key), `${RUNNING}${token}`))
    },
  }
}
