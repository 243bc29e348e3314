import type { Counts } from '../limit/counts.ts'
import type { Redis } from './redis.ts'

/**
 * The window of src/limit/counts.ts, as a hash from second to count, by the clock of Redis, which is the same for all.
 * Answers the milliseconds to wait, whole ones: a script's numbers lose the rest.
 */
const TAKE = `
local time = redis.call('TIME')
local second = tonumber(time[1])
local kept = redis.call('HGETALL', KEYS[1])
local seconds, tooMany = {}, 1 - ARGV[1]
for i = 1, #kept, 2 do
  local at = tonumber(kept[i])
  if at > second - 60 then
    local count = tonumber(kept[i + 1])
    table.insert(seconds, { at, count })
    tooMany = tooMany + count
  else
    redis.call('HDEL', KEYS[1], kept[i])
  end
end
if tooMany <= 0 then
  redis.call('HINCRBY', KEYS[1], time[1], 1)
  redis.call('PEXPIRE', KEYS[1], 60000)
  return 0
end
table.sort(seconds, function(a, b) return a[1] < b[1] end)
for _, kept in ipairs(seconds) do
  tooMany = tooMany - kept[2]
  if tooMany <= 0 then return (kept[1] + 60 - second) * 1000 - math.floor(time[2] / 1000) end
end`

/** Counted for the whole fleet, in one round trip. */
export function createRedisCounts(redis: Pick<Redis, 'ask' | 'key'>): Counts {
  return {
    take: async (key, limit) =>
      Number(await redis.ask((client) => client.eval(TAKE, 1, redis.key(`rate:${key}`), limit))),
  }
}
