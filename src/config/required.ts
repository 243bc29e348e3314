import type { z } from 'zod'
import { readVariables, type Environment } from './read-variables.ts'

/** The configuration cannot be used; `faults` has one line each, ready to print. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/** Just these variables, for a command that needs no more. Throws a `ConfigurationError`. */
export function requireVariables<Schema extends z.ZodObject>(
  schema: Schema,
  env: Environment = process.env,
): z.output<Schema> {
  const reading = readVariables(schema, env)
  if (!reading.ok) throw new ConfigurationError(reading.faults)
  return reading.values
}
