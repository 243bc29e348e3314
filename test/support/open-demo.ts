import { PassThrough, Writable } from 'node:stream'
import { demo, type DemoOptions } from '../../src/demo/demo.ts'

/** Of everything that Slack sends, over and over, over a dozen rounds. */
const MOST_LINES = 250

export interface OpenDemo {
  readonly exitCode: Promise<number>
  readonly output: () => string
  readonly press: (key: string) => void
  /** Resolves with the next line that is like this; rejects once there were some hundred others. */
  readonly seen: (line: RegExp) => Promise<string>
  /** `http://127.0.0.1:port`, once it has said so. */
  readonly consoleUrl: () => Promise<string>
}

/** The demo in this process, at a terminal of 80 columns. */
export function openDemo(options: DemoOptions = {}): OpenDemo {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, isRaw: false, setRawMode: () => undefined })
  let output = ''
  let searched = 0
  let look = (): void => undefined
  const write = (chunk: Buffer, _: string, done: () => void): void => {
    output += chunk.toString()
    look()
    done()
  }
  const stdout = Object.assign(new Writable({ write }), { columns: 80 })
  const exitCode = demo(
    {
      stdin: stdin as unknown as NodeJS.ReadStream,
      stdout: stdout as unknown as NodeJS.WriteStream,
      stderr: process.stderr,
      onInterrupt: () => undefined,
    },
    options,
  )
  const seen = (line: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const begunAt = output.length
      look = () => {
        const found = new RegExp(`^${line.source}`, 'm').exec(output.slice(searched))
        if (found === null) {
          const others = output.slice(begunAt).split('\n')
          if (others.length > MOST_LINES) reject(new Error(`no ${line} in\n${others.slice(-40).join('\n')}`))
          return
        }
        searched += found.index + found[0].length
        look = () => undefined
        resolve(found[0])
      }
      look()
    })
  return {
    exitCode,
    output: () => output,
    press: (key) => void stdin.write(key),
    seen,
    consoleUrl: async () => /http:\S+(?=\/)/.exec(await seen(/Console: \S+/))?.[0] ?? '',
  }
}
