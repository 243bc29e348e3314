import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkout, openWorkplace, type Workplace } from '../../support/command-line.ts'
import { endWithUs } from '../../support/end-with-us.ts'
import { findProgram, whetherToTest } from '../../support/server-process.ts'

// Runs a command in a terminal of its own; a part of util-linux.
const script = findProgram('script')

let place: Workplace

beforeAll(async () => {
  place = await openWorkplace()
  await place.write('regions.yaml', 'version: 1\nregions:\n  - { name: us, address: "http://127.0.0.1:9" }\n')
})

afterAll(() => place.close())

describe.runIf(whetherToTest(script, 'script'))('in a terminal', () => {
  it('the log is written to be read, a line each, up to the last', async () => {
    const command = `'${process.execPath}' '${join(checkout, 'src/main.ts')}' serve`
    const terminal = spawn(script ?? '', ['-qec', command, '/dev/null'], {
      cwd: place.folder,
      env: {
        ...process.env,
        NO_COLOR: '1',
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_PORT: '0',
        SLACK_SIGNING_SECRETS: 'a-secret',
        REDIS_URL: undefined,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    endWithUs(terminal)
    const ended = once(terminal, 'close')
    let text = ''
    for await (const chunk of terminal.stdout) {
      const isServing = text.includes('Serving single')
      text += String(chunk)
      // As somebody does who has seen enough: Ctrl-C.
      if (!isServing && text.includes('Serving single')) terminal.stdin.write('\x03')
    }
    await ended
    const lines = text.split('\r\n').filter((line) => line.includes('INFO'))
    expect(lines.at(-1)).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: Serving single-instance: .* \{"public":"http:/)
    expect(text).toMatch(/^\[[\d:.]+\] WARN: SPOOL_KEYS is not set: /m)
  })
})
