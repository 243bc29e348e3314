import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

interface Report {
  readonly exitCode: unknown
  readonly table: readonly { readonly surface: string; readonly lost: number; readonly note?: string }[]
  readonly failures: readonly string[]
}

async function faults(...args: string[]): Promise<Report> {
  const main = join(import.meta.dirname, 'main.ts')
  const { exitCode, stdout, stderr } = await new Promise<{ exitCode: unknown; stdout: string; stderr: string }>(
    (resolve) => {
      execFile(process.execPath, [main, '--quick', '--json', ...args], (error, stdout, stderr) =>
        resolve({ exitCode: error?.code ?? 0, stdout, stderr }),
      )
    },
  )
  expect(stderr).toBe('')
  return { exitCode, ...(JSON.parse(stdout) as Omit<Report, 'exitCode'>) }
}

describe('the fault matrix', () => {
  it('finds nothing lost of what is stored', async () => {
    const { exitCode, table, failures } = await faults('--only', 'region refuses')
    expect([exitCode, failures]).toEqual([0, []])
    expect(table).toContainEqual(expect.objectContaining({ surface: 'event', lost: 0 }))
  })

  it('reports losses and exits with 1 where what is said to be stored is not', async () => {
    const sabotaged = ['--sabotage', 'forgetful-spool', '--patience', '3']
    const { exitCode, table, failures } = await faults('--only', 'region refuses', ...sabotaged)
    expect(exitCode).toBe(1)
    const lost = table.find(({ surface }) => surface === 'event')?.lost ?? 0
    expect(lost).toBeGreaterThan(0)
    expect(failures).toContain(`region refuses: event: ${lost} lost`)
  })

  it('reports what is late, and exits with 1, where that is so also with nothing beside it', async () => {
    const { exitCode, table, failures } = await faults('--only', 'region refuses', '--sabotage', 'late-replies')
    expect(exitCode).toBe(1)
    expect(table[0]?.note).toContain('region refuses: late beside other faults, and to be judged by itself')
    expect(failures.join('\n')).toMatch(/^region refuses: .*answered later than 3000 ms/)
  })
})
