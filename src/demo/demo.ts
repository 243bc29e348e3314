import type { ExitCode, Process } from '../cli/process.ts'
import { systemClock, type Clock } from '../clock.ts'
import type { WebhookRecord } from '../telemetry/trace.ts'
import { readKeys } from './keyboard.ts'
import { createLineWriter, isSuccess, milliseconds, type LineWriter } from './lines.ts'
import { organizations, regionNames, startSilos, type RegionName, type Silos } from './silos.ts'
import { createSlack, roundOfSendings, type Hearing, type Sending } from './slack-simulator.ts'

/** Slow enough to be seen, and well within Slack's three seconds. */
const SLOW_MS = 400
/** A pace that can be read, and a whole round every two seconds. */
const PACE_MS = 250

export interface DemoOptions {
  /** Ends by itself after this long; without it, when it is told to. */
  readonly forMs?: number | undefined
  /** The region that is off from the start. */
  readonly down?: string | undefined
}

/**
 * A gateway, three regions and a Slack that signs, all in this process and on loopback: posts everything Slack sends,
 * over and over, and writes one line each about what became of it. Needs no configuration and leaves nothing behind.
 */
export async function demo(
  io: Pick<Process, 'stdin' | 'stdout' | 'stderr' | 'onInterrupt'>,
  { forMs, down }: DemoOptions,
  clock: Clock = systemClock,
): Promise<ExitCode> {
  const offFirst = regionNames.find((name) => name === down)
  if (down !== undefined && offFirst === undefined) {
    io.stderr.write(`--down ${down}: there is no such region, take one of ${regionNames.join(', ')}\n`)
    return 2
  }
  const ended = Promise.withResolvers<void>()
  // Whoever reads the lines has seen enough, as in `demo | head`.
  io.stdout.on('error', () => ended.resolve())
  io.onInterrupt(ended.resolve)

  const lines = createLineWriter(io.stdout)
  const records = createRecords()
  await using stack = new AsyncDisposableStack()
  const silos = await startSilos(stack, { clock, onWebhook: records.put })
  silos.regions.us.behave({ delayMs: SLOW_MS })
  if (offFirst !== undefined) await silos.regions[offFirst].switchOff()
  introduce(lines, silos, io.stdin.isTTY)

  const onKey = keysFor(silos, lines, ended.resolve)
  stack.defer(readKeys(io.stdin, (key) => void onKey(key).catch(ended.reject)))
  const slack = stack.adopt(createSlack({ ...silos, url: silos.publicUrl, clock }), (opened) => opened.close())
  if (forMs !== undefined) stack.defer(clock.after(forMs, ended.resolve))

  const heard: Hearing[] = []
  const underWay = new Set<Promise<void>>()
  const send = async (sending: Sending): Promise<void> => {
    const hearing = await slack.post(sending)
    heard.push(hearing)
    const requestId = hearing.kind === 'answered' ? hearing.requestId : undefined
    // It is there when the last region has come to its end, which may be long after Slack was answered.
    lines.story(sending, hearing, requestId === undefined ? undefined : await records.take(requestId))
  }
  const stopSending = everySoOften(
    clock,
    () => roundOfSendings(clock.now(), organizations.eu),
    (sending) => {
      const told = send(sending).finally(() => underWay.delete(told))
      told.catch(ended.reject)
      underWay.add(told)
    },
  )
  try {
    await ended.promise
  } finally {
    stopSending()
  }
  await Promise.all(underWay)
  summarize(lines, heard)
  return 0
}

/** Starts `then` for each item of round after round, at the demo's pace, until told to stop. */
function everySoOften<Item>(clock: Clock, round: () => readonly Item[], then: (item: Item) => void): () => void {
  let cancel = (): void => undefined
  const next = ([item, ...rest]: readonly Item[]): void => {
    if (item === undefined) return next(round())
    cancel = clock.after(PACE_MS, () => next(rest))
    then(item)
  }
  next([])
  return () => cancel()
}

/** Webhooks' records by request id, whichever comes first: the record, or whoever waits for it. */
function createRecords() {
  const awaited = new Map<string, PromiseWithResolvers<WebhookRecord>>()
  const of = (requestId: string): PromiseWithResolvers<WebhookRecord> => {
    const known = awaited.get(requestId) ?? Promise.withResolvers<WebhookRecord>()
    awaited.set(requestId, known)
    return known
  }
  return {
    put: (record: WebhookRecord): void => of(record.requestId).resolve(record),
    take: (requestId: string): Promise<WebhookRecord> => of(requestId).promise.finally(() => awaited.delete(requestId)),
  }
}

function keysFor({ regions }: Silos, lines: LineWriter, end: () => void): (key: string) => Promise<void> {
  const toggle = async (name: RegionName): Promise<void> => {
    const region = regions[name]
    const turnOff = region.isOn
    await (turnOff ? region.switchOff() : region.switchOn())
    lines.text(`── ${name} is switched ${turnOff ? 'off' : 'on again'}`, 'bold')
  }
  return async (key) => {
    switch (key) {
      case '1':
      case '2':
      case '3': {
        const name = regionNames[Number(key) - 1]
        if (name !== undefined) await toggle(name)
        return
      }
      case 's': {
        const slow = regions.us.behaviour.delayMs === 0
        regions.us.behave({ delayMs: slow ? SLOW_MS : 0 })
        lines.text(`── us is ${slow ? `slow: ${SLOW_MS} ms` : 'fast'}`, 'bold')
        return
      }
      case 'q':
      // Ctrl-C: with every key read by itself, the terminal makes no signal of it.
      case '\u0003':
        end()
    }
  }
}

function introduce(lines: LineWriter, { publicUrl, regions }: Silos, hasKeys: boolean): void {
  const lives = regionNames.map((name) => {
    const { isOn, behaviour } = regions[name]
    const state = isOn ? (behaviour.delayMs > 0 ? `, slow: ${behaviour.delayMs} ms` : '') : ', switched off'
    return `${organizations[name].slug} in ${name} (${regions[name].address}${state})`
  })
  lines.text(`silo-gateway demo: Slack → ${publicUrl} → regions`, 'bold')
  lines.text('One workspace, three organizations:')
  for (const line of lives) lines.text(`  ${line}`)
  lines.text('local: no region is asked. first: one is. all: every one, the first 2xx answers.')
  lines.text('502, 503, 504: a SiloClientError, which says of each region why it could not.')
  if (hasKeys) lines.text(`Keys: 1 2 3 switch ${regionNames.join(' ')} off and on, s makes us slow or fast, q ends`)
  lines.text('')
  lines.columns()
}

function summarize(lines: LineWriter, heard: readonly Hearing[]): void {
  const answered = heard.filter((hearing) => hearing.kind === 'answered' && isSuccess(hearing.status)).length
  const times = heard.map(({ ms }) => ms).sort((a, b) => a - b)
  const median = times[Math.floor(times.length / 2)] ?? 0
  lines.text('')
  lines.text(
    `${heard.length} sent, ${answered} answered with 2xx, ${heard.length - answered} errors; ` +
      `median ${milliseconds(median)}, longest ${milliseconds(times.at(-1) ?? 0)}`,
    'bold',
  )
}
