interface Asked {
  readonly json: boolean
}

/** A table for whoever reads: with `--json` beside stdout, so that both come of one run. */
export function tellTable(table: string, { json }: Asked): void {
  if (json) console.error(table)
  else console.log(table)
}

/** Nothing but these is on stdout with `--json`, and nothing of them without. */
export function tellFigures(figures: object, { json }: Asked): void {
  if (json) console.log(JSON.stringify(figures, undefined, 2))
}
