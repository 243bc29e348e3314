import type { Serving } from '../serve.ts'

/** What the process lends its commands. */
export interface Process {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** Serves until the process is told to stop; gives the exit code. */
  readonly untilSignalled: (serving: Serving, reload: () => void) => Promise<number>
  /** Calls `then` when the process is told to stop. */
  readonly onInterrupt: (then: () => void) => void
}

/** What a command's exit code says: done, failed, wrong usage or configuration. */
export type ExitCode = 0 | 1 | 2
