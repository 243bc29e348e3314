import { parseArgs } from 'node:util'

/** How many rounds, each of how many seconds, and how it is told. */
export interface Rounds {
  readonly rounds: number
  readonly seconds: number
  readonly json: boolean
  readonly quick: boolean
}

/** What every bench that goes in rounds takes: `--quick --json --rounds N --seconds N`. Throws for anything else. */
export function roundsAsked(
  args: readonly string[],
  { rounds, seconds, quickRounds = 2 }: { rounds: number; seconds: number; quickRounds?: number },
): Rounds {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
    },
  })
  const { quick, json } = values
  return {
    quick,
    json,
    rounds: Number(values.rounds ?? (quick ? quickRounds : rounds)),
    seconds: Number(values.seconds ?? (quick ? 1 : seconds)),
  }
}
