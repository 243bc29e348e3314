import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type YAMLError,
} from 'yaml'
import type { z } from 'zod'

/** A fault at a place in the file: the key that should not be there, or the value that is wrong or missing. */
export interface YamlFault {
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly at: 'key' | 'value'
}

/** `render` gives `FILE:LINE:COL path message`, one line a fault, in the order of the file. */
export type LocatedYaml =
  | { readonly ok: true; readonly value: unknown; render(faults: readonly YamlFault[]): string[] }
  | { readonly ok: false; readonly faults: readonly string[] }

/** Reads one YAML document and remembers where everything in it stands. `file` is only the name shown in faults. */
export function readLocatedYaml(text: string, file: string): LocatedYaml {
  const lines = new LineCounter()
  const line = (offset: number, message: string) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)} ${inOneLine(message)}`
  }
  try {
    // The parser does not say which key it is that stands twice, nor always where.
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
    const faults = brokenAt(document).map(({ offset, message }) => line(offset, message))
    if (faults.length > 0) return { ok: false, faults }
    if (document.contents === null) return { ok: false, faults: [line(0, 'the file is empty')] }
    // The limit is what stands between a few nested aliases and all of the memory.
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    return { ok: true, value, render: (faults) => rendered(faults, document, line) }
  } catch (error) {
    // More aliases than the limit, or nesting too deep for the stack.
    const reason = error instanceof RangeError ? tooDeep : 'the aliases of the file cannot be expanded'
    return { ok: false, faults: [line(0, reason)] }
  }
}

const tooDeep = 'the file is nested too deeply'

interface Broken {
  readonly offset: number
  readonly message: string
}

/** What is wrong with a document whatever it is to hold, in the order of the file. */
function brokenAt(document: Document.Parsed): Broken[] {
  // Where the text itself is broken, only its first fault is one: the parser guesses from there on.
  const [broken] = document.errors
  if (broken !== undefined) return [brokenBy(broken)]
  const faults = document.warnings.map(brokenBy)
  visit(document, {
    Map(_, map, around) {
      const known = new Set<string>()
      for (const { key } of map.items) {
        const offset = offsetOf(key, 0)
        if (!isScalar(key) || typeof key.value === 'object') {
          faults.push({ offset, message: 'a key must be text' })
          continue
        }
        // As text, since that is what 1 and "1" become.
        const name = String(key.toJSON())
        if (known.has(name)) {
          const path = written([...pathOf([...around, map]), name])
          faults.push({ offset, message: `${path}stands twice in the same map` })
        }
        known.add(name)
      }
    },
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return
      faults.push({ offset: offsetOf(alias, 0), message: 'no anchor has this name' })
    },
  })
  return faults.toSorted((a, b) => a.offset - b.offset)
}

function brokenBy({ code, pos, message }: YAMLError): Broken {
  return { offset: pos[0], message: wordsFor[code] ?? message }
}

const wordsFor: Readonly<Record<string, string>> = {
  RESOURCE_EXHAUSTION: tooDeep,
  MULTIPLE_DOCS: 'the file holds more than one document',
}

/** Messages quote the text, where a carriage return or an escape sequence of a terminal may stand. */
function inOneLine(message: string): string {
  return message.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** What zod found, as faults: one for each unknown key. */
export function faultsOf(issues: readonly z.core.$ZodIssue[]): YamlFault[] {
  return issues.flatMap((issue): YamlFault[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'is not a known key', at: 'key' }))
    }
    const refused = issue.code === 'invalid_type' && issue.expected === 'never'
    return [{ path: issue.path, message: issue.message, at: refused ? 'key' : 'value' }]
  })
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  object: 'a map',
  record: 'a map',
  array: 'a list',
  boolean: 'true or false',
  number: 'a number',
}

/** The words for what a schema has no words of its own for. To be given to `safeParse` as `error`. */
export function yamlWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return 'is required'
  if (issue.code === 'invalid_type') return `must be ${kinds[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') {
    return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
  }
  return undefined
}

function rendered(
  faults: readonly YamlFault[],
  document: Document.Parsed,
  line: (offset: number, message: string) => string,
): string[] {
  return faults
    .map((fault) => ({ fault, place: placeOf(document, fault.path) }))
    .map(({ fault, place }) => ({ fault, place, offset: fault.at === 'key' ? place.key : place.value }))
    .sort((a, b) => a.offset - b.offset)
    .map(({ fault, offset }) => line(offset, `${written(fault.path)}${fault.message}`))
}

/** The keys and indices that lead to the last of these nodes, each of which is around the next. */
function pathOf(nodes: readonly unknown[]): PropertyKey[] {
  return nodes.flatMap((node, at): PropertyKey[] => {
    if (isPair(node)) return [String(node.key)]
    return isSeq(node) ? [node.items.indexOf(nodes[at + 1])] : []
  })
}

/** Offsets of the key and the value a path leads to; where the path breaks off, of the last that is there. */
function placeOf(document: Document.Parsed, path: readonly PropertyKey[]): { key: number; value: number } {
  let node: unknown = document.contents
  let place = { key: offsetOf(node, 0), value: offsetOf(node, 0) }
  for (const step of path) {
    const holder = isAlias(node) ? node.resolve(document) : node
    if (isMap(holder)) {
      const pair = holder.items.find(({ key }) => String(key) === String(step))
      if (pair === undefined) break
      const key = offsetOf(pair.key, place.value)
      node = pair.value
      place = { key, value: offsetOf(node, key) }
    } else if (isSeq(holder) && typeof step === 'number' && step < holder.items.length) {
      node = holder.items[step]
      const value = offsetOf(node, place.value)
      place = { key: value, value }
    } else break
  }
  return place
}

function offsetOf(node: unknown, otherwise: number): number {
  return isNode(node) && node.range ? node.range[0] : otherwise
}

function written(path: readonly PropertyKey[]): string {
  const text = path
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`
      const name = String(step)
      return /^[\w-]+$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
    })
    .join('')
    .replace(/^\./, '')
  return text === '' ? '' : `${text} `
}
