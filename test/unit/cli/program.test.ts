import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { runCommandLine } from '../../../src/cli/program.ts'
import type { Process } from '../../../src/cli/process.ts'

describe('a command whose output cannot be written', () => {
  it('has failed, and says why', async () => {
    const said: string[] = []
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(new Error('ENOSPC: no space left')) })
    const stderr = new Writable({
      write(chunk, _encoding, done) {
        said.push(String(chunk))
        done()
      },
    })
    expect(await runCommandLine(['--version'], { stdout, stderr } as unknown as Process)).toBe(1)
    expect(said).toEqual(['ENOSPC: no space left\n'])
  })
})
