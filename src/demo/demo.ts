import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { builtPage } from '../admin/page.ts'
import type { ExitCode, Process } from '../cli/process.ts'
import { systemClock, type Clock } from '../clock.ts'
import type { Region } from '../region/region.ts'
import { demoRoutes } from './demo-routes.ts'
import { endHanging, SLOW_MS } from './faults.ts'
import { readKeys } from './keyboard.ts'
import { createLineWriter, isSuccess, milliseconds, type LineWriter } from './lines.ts'
import { listenAtResponseUrls } from './response-urls.ts'
import { CONSOLE_PORT, organizations, regionNames, startSilos, type Silos, type SilosParts } from './silos.ts'
import { createSlack, everySending, type Hearing } from './slack-simulator.ts'
import { createStories } from './stories.ts'
import { startTraffic, type Traffic, type TrafficParts } from './traffic.ts'

/** Longer than Slack waits, and within what the gateway gives a region whose answer is owed. */
const LATE_MS = 4000
/** Time enough to see what waits for a region that is off. */
const DOWN_FOR_MS = 15_000

/** Installing makes it, unless it was told to run no scripts. */
const NOT_BUILT = 'It is not built: end this, run "npm run build", and start again.'

export interface DemoOptions {
  /** Ends by itself after this long; without it, when it is told to. */
  readonly forMs?: number | undefined
  /** The region that is off from the start. */
  readonly down?: string | undefined
  /** How long it is, if nobody switches it on before. */
  readonly downForMs?: number
  /** Where the files of the console's page are; default: where the build puts them. */
  readonly page?: string
}

/**
 * A gateway, three regions and a Slack that signs, all in this process and on loopback: posts everything Slack sends,
 * over and over, and writes one line each about what became of it. Needs no configuration and leaves nothing behind.
 */
export async function demo(
  io: Pick<Process, 'stdin' | 'stdout' | 'stderr' | 'onInterrupt'>,
  { forMs, down, downForMs = DOWN_FOR_MS, page = builtPage() }: DemoOptions,
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
  const note = (what: string): void => lines.text(`── ${what}`, 'bold')
  const stories = createStories(lines, clock)
  const heard: Hearing[] = []
  {
    await using stack = new AsyncDisposableStack()
    const orEnd = (work: Promise<void>): void => void work.catch(ended.reject)
    const responseUrls = await listenAtResponseUrls(clock, (answer) => orEnd(stories.onLateAnswer(answer)))
    stack.defer(() => responseUrls.close())
    // The gateway listens before there is anything to be sent to it.
    const sent: { traffic?: Traffic } = {}
    const routes: SilosParts['routes'] = (regions) =>
      demoRoutes({ clock, regions, traffic: () => sent.traffic, tell: note })
    const silos = await startSilos(stack, { clock, responseHost: responseUrls.host, routes, page, ...stories })
    silos.regions.us.behave({ delayMs: SLOW_MS })
    if (offFirst !== undefined) await silos.regions[offFirst].switchOff()
    introduce(lines, silos, { downForMs, hasKeys: io.stdin.isTTY, isBuilt: existsSync(join(page, 'index.html')) })
    const slack = stack.adopt(createSlack({ ...silos, url: silos.publicUrl, clock }), (opened) => opened.close())

    const send: TrafficParts['send'] = (sending, options) => {
      const hearing = slack.post(sending)
      orEnd(stories.tell(sending, hearing, options))
      void hearing.then((one) => heard.push(one))
      return hearing
    }
    const sendings = everySending(clock, [organizations.eu, organizations.ap], responseUrls)
    const floodSendings = everySending(clock, [organizations.eu, organizations.ap], {
      issue: (surface) => responseUrls.issue(surface),
    })
    const onFlooded = (answers: readonly Hearing[]): void => note(`the flood is over: ${summaryOf(answers)}`)
    const traffic = startTraffic({ clock, sendings, floodSendings, send, onFlooded })
    sent.traffic = traffic
    const onKey = keysFor(silos, lines, { sendAgain: () => void traffic.sendAgain(1), end: ended.resolve })
    stack.defer(readKeys(io.stdin, (key) => orEnd(onKey(key))))
    const switchOn = async (): Promise<void> => {
      if (offFirst !== undefined && !silos.regions[offFirst].isOn) await toggle(silos.regions[offFirst], lines)
    }
    stack.defer(clock.after(downForMs, () => orEnd(switchOn())))
    if (forMs !== undefined) stack.defer(clock.after(forMs, ended.resolve))
    try {
      await ended.promise
    } finally {
      traffic.stop()
    }
    await Promise.all(regionNames.map((name) => endHanging(silos.regions[name])))
    await stories.allTold()
  }
  summarize(lines, heard, stories.waiting())
  return 0
}

async function toggle(region: Region, lines: LineWriter): Promise<void> {
  const turnOff = region.isOn
  await (turnOff ? region.switchOff() : region.switchOn())
  lines.text(`── ${region.name} is switched ${turnOff ? 'off' : 'on again'}`, 'bold')
}

function keysFor(
  { regions }: Silos,
  lines: LineWriter,
  { sendAgain, end }: { sendAgain: () => void; end: () => void },
): (key: string) => Promise<void> {
  const delay = (ms: number, name: string): void => {
    const delayMs = regions.us.behaviour.delayMs === ms ? 0 : ms
    regions.us.behave({ delayMs })
    lines.text(`── us is ${delayMs === 0 ? 'fast' : `${name}: ${delayMs} ms`}`, 'bold')
  }
  return async (key) => {
    switch (key) {
      case '1':
      case '2':
      case '3': {
        const name = regionNames[Number(key) - 1]
        if (name !== undefined) await toggle(regions[name], lines)
        return
      }
      case 's':
        return delay(SLOW_MS, 'slow')
      case 'l':
        return delay(LATE_MS, 'late')
      case 'd':
        return sendAgain()
      case 'q':
      // Ctrl-C: with every key read by itself, the terminal makes no signal of it.
      case '\u0003':
        end()
    }
  }
}

function introduce(
  lines: LineWriter,
  { publicUrl, consoleUrl, regions }: Silos,
  { downForMs, hasKeys, isBuilt }: { downForMs: number; hasKeys: boolean; isBuilt: boolean },
): void {
  const lives = regionNames.map((name) => {
    const { isOn, behaviour, address } = regions[name]
    const slow = behaviour.delayMs > 0 ? `, slow: ${behaviour.delayMs} ms` : ''
    const state = isOn ? slow : `, off for ${Math.round(downForMs / 1000)} s`
    return `${organizations[name].slug} in ${name} (${address}${state})`
  })
  lines.text(`silo-gateway demo: Slack → ${publicUrl} → regions`, 'bold')
  const moved = new URL(consoleUrl).port === String(CONSOLE_PORT) ? '' : ` (${CONSOLE_PORT}, its own, is taken)`
  lines.text(`Console: ${consoleUrl}/${moved}`, 'bold')
  lines.text(`  ${isBuilt ? 'Open it, break a region there, and see what becomes of its webhooks.' : NOT_BUILT}`)
  lines.text('One workspace, three organizations:')
  for (const line of lives) lines.text(`  ${line}`)
  lines.text('local: no region is asked. first: one is. all: every one, the first 2xx answers.')
  lines.text('mailbox: an event that waited is delivered. late: an answer by response_url.')
  lines.text('502, 503, 504: a SiloClientError, which says of each region why it could not.')
  if (hasKeys) {
    lines.text(`Keys: 1 2 3 switch ${regionNames.join(' ')} off and on, d sends the last event again,`)
    lines.text(`      s makes us slow or fast, l makes it late (${LATE_MS} ms) or fast, q ends`)
  }
  lines.text('')
  lines.columns()
}

function summarize(lines: LineWriter, heard: readonly Hearing[], waiting: number): void {
  lines.text('')
  if (waiting > 0) lines.text(`${waiting} still waiting for a region; only a demo forgets them at its end`)
  lines.text(summaryOf(heard), 'bold')
}

function summaryOf(heard: readonly Hearing[]): string {
  const answered = heard.filter((hearing) => hearing.kind === 'answered' && isSuccess(hearing.status)).length
  const times = heard.map(({ ms }) => ms).sort((a, b) => a - b)
  const median = times[Math.floor(times.length / 2)] ?? 0
  return (
    `${heard.length} sent, ${answered} answered with 2xx, ${heard.length - answered} errors; ` +
    `median ${milliseconds(median)}, longest ${milliseconds(times.at(-1) ?? 0)}`
  )
}
