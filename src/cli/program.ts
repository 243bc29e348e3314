import { setImmediate as nextTurn } from 'node:timers/promises'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ConfigurationError } from '../config/required.ts'
import { readId } from '../directory/id.ts'
import type { DeadLetterFilter } from '../spool/spool.ts'
import { packageVersion } from '../version.ts'
import type { ExplainOptions } from './explain.ts'
import type { PageTokenOptions } from './page-token.ts'
import type { Process } from './process.ts'
import { listenForSignals } from './signals.ts'

/**
 * 128 and SIGPIPE: what a shell reports for `cat` or `git` whose reader goes away, as `head` does. Node ignores the
 * signal and tells of a failed write instead. Not 0: half an export that somebody pipes into a file is none.
 */
const READER_GONE = 141

/**
 * Runs one command line and gives its exit code. What goes wrong is one line on stderr that says what to do; that nobody
 * reads what there is to say is not worth one.
 */
export async function runCommandLine(argv: readonly string[], io: Process): Promise<number> {
  let unwritten: NodeJS.ErrnoException | undefined
  io.stdout.on('error', (error) => (unwritten ??= error))
  // There is nowhere left to tell of it, and whoever asks for the exit code alone is to get the right one.
  io.stderr.on('error', () => {})
  const exitCode = await runCommand(argv, io, (error) => error === unwritten)
  // A write that fails tells so a turn later.
  await nextTurn()
  if (unwritten === undefined) return exitCode
  if (unwritten.code === 'EPIPE') return exitCode || READER_GONE
  io.stderr.write(`${oneLine(unwritten)}\n`)
  return exitCode || 1
}

/**
 * A command loads its own parts when it is its turn: a container's health check runs every few seconds and needs hardly
 * any. `isTold`: of an error that somebody else tells of.
 */
async function runCommand(argv: readonly string[], io: Process, isTold: (error: unknown) => boolean): Promise<number> {
  let exitCode: number = 0
  const program = new Command('silo-gateway')
    .description('Webhook gateway for products that keep each customer in one of several regions.')
    .version(packageVersion(), '--version', 'print the version')
    .option('--stack', 'print the stack of an error that ends the command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      // What commander would write there by itself is a whole help text, where a command is missing or there is none such.
      writeErr: () => void io.stderr.write(wrongUsage('error: name one of the commands')),
      outputError: (text) => void io.stderr.write(wrongUsage(text.trim())),
    })

  program
    .command('serve')
    .description('serve webhooks until SIGTERM or SIGINT; SIGHUP reloads regions and secrets')
    .action(async () => {
      const signals = listenForSignals(io)
      const { serveCommand } = await import('./serve.ts')
      exitCode = await serveCommand(signals)
    })

  program
    .command('demo')
    .description('a gateway, three regions and a Slack that signs, all on loopback')
    .option('--for <duration>', 'stop after this long, such as 10s or 500ms', durationMs)
    .option('--down <region>', 'start with this region switched off (us, eu or ap); it comes back after 15 s')
    .action(async (options: { for?: number; down?: string }) => {
      const { demo } = await import('../demo/demo.ts')
      exitCode = await demo(io, { forMs: options.for, down: options.down })
    })

  program
    .command('check-config')
    .description('check the environment and regions.yaml as serve would; one line a fault, exit 2 if there is one')
    .option('--json', 'one JSON object: {"ok", "faults", "warnings", "configuration"}')
    .action(async (options: { json?: true }) => {
      const { checkConfig } = await import('./check-config.ts')
      exitCode = await checkConfig(io, options)
    })

  const directory = program.command('directory').description('who lives where')
  directory
    .command('import')
    .description('take over integrations, organizations and links from a JSON, YAML or NDJSON file: all or nothing')
    .argument('<file>')
    .option('--json', 'print the counts as JSON')
    .action(async (file: string, options: { json?: true }) => {
      const { importDirectory } = await import('./directory.ts')
      exitCode = await importDirectory(io, file, options)
    })
  directory
    .command('export')
    .description('print the whole directory as JSON that "directory import" takes')
    .option('--json', 'one JSON document, which is the default')
    .addOption(
      new Option('--ndjson', 'a row a line instead: for a directory that is too large to read at once').conflicts(
        'json',
      ),
    )
    .action(async (options: { ndjson?: true }) => {
      const { exportDirectory } = await import('./directory.ts')
      exitCode = await exportDirectory(io, options)
    })
  directory
    .command('get')
    .description('print where a workspace or enterprise goes, by its external id')
    .argument('<external-id>', 'such as T024BE7LD or E012ABCDE')
    .option('--provider <name>', 'the provider whose id it is, if there are several')
    .option('--app <id>', 'the app that asks', '')
    .option('--json', 'print JSON')
    .action(async (externalId: string, options: { provider?: string; app: string; json?: true }) => {
      const { getFromDirectory } = await import('./directory.ts')
      exitCode = await getFromDirectory(io, externalId, options)
    })

  directory
    .command('move')
    .description('move an organization to another region; what waits for it follows')
    .argument('<organization-id>', 'such as 10', id)
    .option('--to <region>', 'where it lives from now on')
    .option('--hold', 'with --to: let its events wait, and send nothing for it, until --release')
    .addOption(new Option('--release', 'send again what waits for it').conflicts(['to', 'hold']))
    .option('--json', 'one JSON object: {"id", "slug", "region", "epoch", "held", "moved_deliveries", "warnings"}')
    .action(
      async (
        organization: string,
        { to, hold, release, json }: { to?: string; hold?: true; release?: true; json?: true },
        command: Command,
      ) => {
        if (to === undefined && release === undefined) {
          command.error('error: say where with --to, or release it with --release')
        }
        const { moveOrganization } = await import('./move.ts')
        const move = to === undefined ? { release: true as const } : { to, hold: hold === true }
        exitCode = await moveOrganization(io, organization, move, { json })
      },
    )

  const mailbox = program.command('mailbox').description('what waits for regions, and what was given up')
  mailbox
    .command('list')
    .description('print the mailboxes: how much waits in each, since when, and why')
    .option('--dead', 'the dead letters instead, the newest first')
    .option('--json', 'print a JSON array')
    .action(async ({ dead, ...options }: { dead?: true; json?: true }) => {
      const { listDeadLetters, listMailboxes } = await import('./mailbox.ts')
      exitCode = dead === true ? await listDeadLetters(io, options) : await listMailboxes(io, options)
    })
  mailbox
    .command('replay')
    .description('put dead letters back at the ends of their mailboxes; several options together narrow down')
    .argument('[dead-letter-id]', 'just this one', rowId)
    .option('--mailbox <id>', 'those of this mailbox', rowId)
    .option('--integration <id>', 'those of this integration', id)
    .option('--region <name>', 'those for this region')
    .option('--reason <word>', 'those that died of this, such as http_400 or too_old')
    .option('--all', 'every one there is')
    .option('--json', 'one JSON object: {"replayed"}')
    .action(
      async (
        deadLetter: number | undefined,
        options: DeadLetterFilter & { all?: true; json?: true },
        command: Command,
      ) => {
        const { all = false, json, ...chosen } = { ...options, ...(deadLetter !== undefined && { id: deadLetter }) }
        if (all === Object.keys(chosen).length > 0) {
          command.error('error: choose the dead letters by an id, by what they have in common, or with --all')
        }
        const { replayDeadLetters } = await import('./mailbox.ts')
        exitCode = await replayDeadLetters(io, chosen, { json })
      },
    )
  mailbox
    .command('pause')
    .description('let what is in a mailbox wait, and what comes, until it is resumed')
    .argument('<id>', 'as "mailbox list" shows it', rowId)
    .option('--reason <text>', 'why, for whoever looks at the list', 'by hand')
    .option('--json', 'one JSON object: {"id", "paused"}')
    .action(async (mailboxId: number, options: { reason: string; json?: true }) => {
      const { pauseMailbox } = await import('./mailbox.ts')
      exitCode = await pauseMailbox(io, mailboxId, options)
    })
  mailbox
    .command('resume')
    .description('deliver again what waits in a mailbox that is paused')
    .argument('<id>', 'as "mailbox list" shows it', rowId)
    .option('--json', 'one JSON object: {"id", "paused"}')
    .action(async (mailboxId: number, options: { json?: true }) => {
      const { resumeMailbox } = await import('./mailbox.ts')
      exitCode = await resumeMailbox(io, mailboxId, options)
    })

  program
    .command('explain')
    .description(
      'print what has become of a webhook that came, by its delivery id; or, with --body and --path, what would become ' +
        'of one, and why: nothing is sent, and it need not be signed',
    )
    .argument('[delivery-id]', 'the X-Request-Id of its answer, which regions get as Silo-Delivery')
    .option('--body <file>', 'the file that holds its body')
    .option('--path <path>', 'the path it would be posted to')
    .option('--content-type <type>', 'its Content-Type; default: JSON or a form, by what the body looks like')
    .option('--app <id>', 'the app whose secret would have verified it, where the body names none')
    .option('--json', 'one JSON object, as GET /api/deliveries/{id} or POST /api/explain answers')
    .action(async (delivery: string | undefined, options: Partial<ExplainOptions>, command: Command) => {
      const { body, path, contentType, app, json } = options
      if (delivery !== undefined) {
        if ([body, path, contentType, app].some((given) => given !== undefined)) {
          command.error('error: a delivery id stands alone: what came is recorded')
        }
        const { explainDelivery } = await import('./explain-delivery.ts')
        exitCode = await explainDelivery(io, delivery, json)
        return
      }
      if (body === undefined || path === undefined) {
        return command.error('error: give a delivery id, or both --body and --path')
      }
      const { explainWebhook } = await import('./explain.ts')
      exitCode = await explainWebhook(io, { ...options, body, path })
    })

  program
    .command('page-token')
    .description('sign the token that goes into the path of a page, such as link-identity or link-team')
    .requiredOption('--integration <id>', 'integration id', id)
    .option('--organization <id>', 'organization id', id)
    .option('--user <id>', "the provider's user, such as U012AB3CD; the identity pages need one")
    .option('--provider <name>', 'the provider whose page it is, if there are several')
    .option('--expires-in <duration>', 'how long it is valid, at most 48h', pageLifetimeMs, 3_600_000)
    .option('--json', 'print JSON')
    .action(async (options: PageTokenOptions) => {
      const { pageToken } = await import('./page-token.ts')
      exitCode = await pageToken(io, options)
    })

  program
    .command('healthcheck')
    .description('ask the running gateway whether it is ready; exit 1 if it is not')
    .option('--json', 'one JSON object: {"ready", "status"}; status is null where nobody answers')
    .action(async (options: { json?: true }) => {
      const { healthcheck } = await import('./healthcheck.ts')
      exitCode = await healthcheck(io, options)
    })

  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof ConfigurationError) {
      for (const fault of error.faults) io.stderr.write(`${fault}\n`)
      return 2
    }
    if (isTold(error)) return 0
    const stack = program.opts<{ stack?: true }>().stack === true
    io.stderr.write(`${stack && error instanceof Error ? error.stack : oneLine(error)}\n`)
    return 1
  }
}

function wrongUsage(what: string): string {
  return `${oneLine(what)} (--help lists what there is)\n`
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ')
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function durationMs(text: string): number {
  const [, digits, unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? []
  const factor = unitMs[unit]
  if (digits === undefined || factor === undefined) throw new InvalidArgumentError('It is a number and ms, s, m or h.')
  return Number(digits) * factor
}

function pageLifetimeMs(text: string): number {
  const ms = durationMs(text)
  if (ms < 1000 || ms > 48 * 3_600_000) throw new InvalidArgumentError('It is 1s to 48h.')
  return ms
}

function id(text: string): string {
  const read = readId(text)
  if (read === undefined) throw new InvalidArgumentError('It is a whole number from 1 to 2^63-1.')
  return read
}

/** Of a mailbox or a dead letter, counted up by the store. */
function rowId(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('It is a number.')
  return Number(text)
}
