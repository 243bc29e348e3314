import { describe, expect, it } from 'vitest'
import { readWrk } from '../../../bench/wrk.ts'

/** What wrk 4.1.0 printed, with the line of the bench's script at its end. */
const PRINTED = `Running 1s test @ http://127.0.0.1:36195/extensions/slack/commands/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   620.22us    1.42ms  13.42ms   92.64%
    Req/Sec    25.66k     4.83k   31.49k    70.00%
  25525 requests in 1.00s, 4.65MB read
Requests/sec:  25508.60
Transfer/sec:      4.65MB
`
const summary = (changes: object = {}): string => {
  const none = { status: 0, connect: 0, read: 0, write: 0, timeout: 0 }
  return `${PRINTED}${JSON.stringify({ requests: 25525, micros: 500_000, p50: 211, p99: 7032, ...none, ...changes })}\n`
}

describe('what wrk reports', () => {
  it('is a rate for each second of the run and latencies in milliseconds', () => {
    expect(readWrk(summary())).toEqual({ perSecond: 51_050, requests: 25_525, p50Ms: 0.211, p99Ms: 7.032, errors: {} })
  })

  it.each(['status', 'connect', 'read', 'write', 'timeout'])('counts errors of the kind %s', (kind) => {
    expect(readWrk(summary({ [kind]: 3 })).errors).toEqual({ [kind]: 3 })
  })

  it('is no report when nothing was answered', () => {
    expect(() => readWrk(summary({ requests: 0 }))).toThrow('wrk had no answer at all')
  })

  it('is no report when the script did not come to its end', () => {
    expect(() => readWrk(PRINTED)).toThrow('wrk did not report')
    expect(() => readWrk('')).toThrow('wrk did not report')
  })
})
