import { pino, type DestinationStream } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Structured logging: fields first, then one constant sentence. */
export type Log = Record<LogLevel, (fields: Record<string, unknown>, message: string) => void>

/** On stdout: JSON lines, and in a terminal such as are easier to read. */
export async function openLog(level: LogLevel | 'silent'): Promise<Log> {
  return createLog(level, process.stdout.isTTY ? await inTerminal() : undefined)
}

/** Loaded when somebody looks. Each line is out before the next: what a process says last is not lost. */
async function inTerminal(): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty')
  const readable = prettyFactory({ singleLine: true, translateTime: 'SYS:HH:MM:ss.l' })
  const stdout = pino.destination({ dest: 1, sync: true })
  return { write: (line) => void stdout.write(readable(line)) }
}

/** JSON lines on stdout, or on `destination`. */
export function createLog(level: LogLevel | 'silent', destination?: DestinationStream): Log {
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination ?? pino.destination(1),
  )
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  }
}

/** Whether to log one of those that went well, where this share of them is wanted. */
export function isSampled(share: number, random: () => number): boolean {
  return share >= 1 || random() < share
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
