import { pino, type DestinationStream } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Structured logging: fields first, then one constant sentence. */
export type Log = Record<LogLevel, (fields: Record<string, unknown>, message: string) => void>

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

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
