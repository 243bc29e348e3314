import { execFile } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { pathToProgram } from './installed.ts'
import type { SlackForm } from './slack-command.ts'

const run = promisify(execFile)

export interface WrkOptions {
  /** Where the server is, without a path: forms bring theirs. */
  readonly url: string
  /** All of one path. Sent one after another, and from the first again once each has been sent. */
  readonly forms: Iterable<SlackForm>
  readonly connections: number
  readonly seconds: number
}

export interface WrkReport {
  readonly perSecond: number
  /** Those that were answered. More than there were forms: some were sent again. */
  readonly requests: number
  readonly p50Ms: number
  readonly p99Ms: number
  /**
   * How often each kind of them occurred: answers above 399, broken connections and answers that took longer than 2 s,
   * wrk's own limit. A longer one would let apologies pass: at 2.5 s the gateway answers a click 200, whatever has become
   * of it.
   */
  readonly errors: Readonly<Record<string, number>>
}

/*
 * Forms come in a file, a line each: every header's value that differs, the body, and how many x are to follow it, so
 * that forms of a megabyte fit into the interpreter. Small ones are made before the clock starts.
 */
const SCRIPT = `
local forms, sent = {}, 0
local function form(timestamp, signature, body)
  local headers = HEADERS
  headers['X-Slack-Request-Timestamp'] = timestamp
  headers['X-Slack-Signature'] = signature
  return wrk.format('POST', nil, headers, body)
end
function init(args)
  for line in io.lines(args[1]) do
    local timestamp, signature, body, filler = line:match('^(%S+) (%S+) (%S*) (%d+)$')
    filler = tonumber(filler)
    if filler < 4096 then forms[#forms + 1] = form(timestamp, signature, body .. ('x'):rep(filler))
    else forms[#forms + 1] = function() return form(timestamp, signature, body .. ('x'):rep(filler)) end end
  end
end
function request()
  sent = sent % #forms + 1
  local next = forms[sent]
  if type(next) == 'function' then return next() end
  return next
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"micros":%d,"p50":%.0f,"p99":%.0f,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout))
end
`

/** What the script's `done` writes last; times in microseconds. */
const summarySchema = z.object({
  requests: z.number(),
  micros: z.number(),
  p50: z.number(),
  p99: z.number(),
  status: z.number(),
  connect: z.number(),
  read: z.number(),
  write: z.number(),
  timeout: z.number(),
})

/** Where it is: nothing at all can be measured without it. Throws where it is not installed. */
export function requireWrk(): string {
  const wrk = pathToProgram('wrk')
  if (wrk === undefined) throw new Error('wrk is not installed: apt-get install wrk')
  return wrk
}

/** Sends forms for so many seconds, each connection the next one as soon as it has its answer, from one thread. */
export async function runWrk({ url, forms, connections, seconds }: WrkOptions): Promise<WrkReport> {
  const folder = mkdtempSync(join(tmpdir(), 'silo-gateway-wrk-'))
  try {
    const [scriptFile, formsFile] = [join(folder, 'post.lua'), join(folder, 'forms.txt')]
    const first = writeForms(formsFile, forms)
    writeFileSync(scriptFile, SCRIPT.replace('HEADERS', luaTable(first?.headers ?? [])))
    const target = `${url}${first?.path}`
    const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', scriptFile]
    const { stdout } = await run(requireWrk(), [...options, target, '--', formsFile])
    return readWrk(stdout)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Reads what wrk has printed with the script above. Throws where that is not what it prints at its end. */
export function readWrk(stdout: string): WrkReport {
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  if (!last.startsWith('{')) throw new Error(`wrk did not report: ${stdout}`)
  const { requests, micros, p50, p99, ...errors } = summarySchema.parse(JSON.parse(last))
  if (requests === 0) throw new Error(`wrk had no answer at all: ${stdout}`)
  return {
    perSecond: (requests * 1e6) / micros,
    requests,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    errors: Object.fromEntries(Object.entries(errors).filter(([, times]) => times > 0)),
  }
}

function luaTable(headers: SlackForm['headers']): string {
  return `{ ${headers.map(([name, value]) => `['${name}'] = '${value}'`).join(', ')} }`
}

/** Holds none of them for longer than it takes to write it: some are a megabyte long. Returns the first. */
function writeForms(file: string, forms: Iterable<SlackForm>): SlackForm | undefined {
  const out = openSync(file, 'w')
  try {
    let first: SlackForm | undefined
    for (const form of forms) {
      first ??= form
      writeSync(out, lineOf(form))
    }
    return first
  } finally {
    closeSync(out)
  }
}

function lineOf({ headers, body }: SlackForm): string {
  const value = (wanted: string) => headers.find(([name]) => name === wanted)?.[1]
  let end = body.length
  while (body[end - 1] === 'x') end -= 1
  const [timestamp, signature] = [value('X-Slack-Request-Timestamp'), value('X-Slack-Signature')]
  return `${timestamp} ${signature} ${body.slice(0, end)} ${body.length - end}\n`
}
