import { readFileSync } from 'node:fs'
import type { z } from 'zod'

export type Environment = Readonly<Record<string, string | undefined>>

export type VariablesReading<Values> =
  | { readonly ok: true; readonly values: Values }
  | { readonly ok: false; readonly faults: readonly string[] }

/**
 * Reads the variables a schema's keys name, each given as `NAME` or as a file's contents by `NAME_FILE`. A fault is a
 * line `NAME message`. An empty value is a fault, not a default: an empty `ADMIN_TOKEN` that counted as unset would
 * open what it was meant to close.
 */
export function readVariables<Schema extends z.ZodObject>(
  schema: Schema,
  env: Environment,
): VariablesReading<z.output<Schema>> {
  const texts: Record<string, string> = {}
  const faults = new Map<string, string>()
  const names = Object.keys(schema.shape)
  for (const name of names) {
    const text = textOf(name, names, env)
    if (text?.ok === true) texts[name] = text.text
    if (text?.ok === false) faults.set(name, text.fault)
  }
  const parsed = schema.safeParse(texts, { error: (issue) => (issue.input === undefined ? 'is required' : undefined) })
  const issues = (parsed.error?.issues ?? [])
    .map(({ path, message }) => ({ name: String(path[0]), message }))
    .filter(({ name }) => !faults.has(name))
    .map(({ name, message }) => `${name} ${message}`)
  if (parsed.success && faults.size === 0) return { ok: true, values: parsed.data }
  return { ok: false, faults: [...faults.values(), ...issues] }
}

/** The files that stand in for variables of these schemas. */
export function variableFiles(schemas: readonly z.ZodObject[], env: Environment): string[] {
  const names = schemas.flatMap((schema) => Object.keys(schema.shape))
  return names.flatMap((name) => (names.includes(`${name}_FILE`) ? [] : (env[`${name}_FILE`] ?? [])))
}

/** Reads a file that configuration names. The error it throws says why not, fit for a line that names the file. */
export function readNamedFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(',')[0] : 'unknown reason'
    throw new Error(`cannot read ${path}: ${reason}`, { cause: error })
  }
}

/** The text of a file's bytes; that they are not UTF-8 is an error too. */
export function textIn(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new Error(`cannot read ${path}: it is not UTF-8`, { cause: error })
  }
}

type Text = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly fault: string }

function textOf(name: string, names: readonly string[], env: Environment): Text | undefined {
  const direct = env[name]
  const file = names.includes(`${name}_FILE`) ? undefined : env[`${name}_FILE`]
  if (direct !== undefined && file !== undefined) {
    return { ok: false, fault: `${name} and ${name}_FILE are both set: keep one of them` }
  }
  if (file === undefined) return direct === undefined ? undefined : given(direct, name)
  const path = given(file, `${name}_FILE`)
  if (!path.ok) return path
  try {
    const text = textIn(readNamedFile(path.text), path.text).replace(/\r?\n$/, '')
    return given(text, `${name}_FILE names a file that`)
  } catch (error) {
    return { ok: false, fault: `${name}_FILE ${error instanceof Error ? error.message : 'cannot be read'}` }
  }
}

function given(text: string, subject: string): Text {
  if (text.trim() !== '') return { ok: true, text }
  return { ok: false, fault: `${subject} is empty: give it a value or take it out` }
}
