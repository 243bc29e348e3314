import { parseArgs } from 'node:util'

/** How many rounds, each of how many seconds, and how it is told. */
export interface Rounds {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly json: boolean
  readonly quick: boolean
}

/** What was asked for is not to be had: told in its one line, and the command ends with 2. */
export class UsageError extends Error {}

/** Until all that a webhook goes through has been compiled: the gateway's first seconds cost twice its later ones. */
const WARM_UP_SECONDS = 10

type Options = Readonly<Record<string, { readonly type: 'boolean' | 'string' }>>
type Values<Own extends Options> = {
  readonly [Name in keyof Own]?: Own[Name]['type'] extends 'boolean' ? true : string
}

/**
 * What every bench that goes in rounds takes: `--quick --json --rounds N --seconds N`, and its `own` options; without
 * `seconds` its rounds last as long as they take, and it is not asked for any. Throws for anything else.
 */
export function roundsAsked<const Own extends Options>(
  args: readonly string[],
  { rounds, seconds, quickRounds = 2 }: { rounds: number; seconds?: number; quickRounds?: number },
  own?: Own,
): Rounds & Values<Own> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...own,
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
    },
  })
  const { quick, json } = values
  if (seconds === undefined && values.seconds !== undefined) throw new UsageError('This bench has no --seconds')
  return {
    ...(values as Values<Own>),
    quick,
    json,
    rounds: positiveInteger('--rounds', values.rounds) ?? (quick ? quickRounds : rounds),
    seconds: positiveInteger('--seconds', values.seconds) ?? (quick ? 1 : (seconds ?? 0)),
    warmUpSeconds: quick ? 1 : WARM_UP_SECONDS,
  }
}

/** Undefined where nothing was said. `name` is of what it was said of. */
export function positiveInteger(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,7}$/.test(text)) return Number(text)
  throw new UsageError(`${name} takes a whole number above 0, not ${JSON.stringify(text)}`)
}

/** Another one begins each round: nobody is always behind the same one, in whatever state that leaves the machine. */
export function inTurn<Entrant>(entrants: readonly Entrant[], round: number): Entrant[] {
  const first = round % entrants.length
  return [...entrants.slice(first), ...entrants.slice(0, first)]
}
