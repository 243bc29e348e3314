/** What the process lends its commands. */
export interface Process {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** Calls `then` when the process is told to stop; told so again, it ends at once. */
  readonly onInterrupt: (then: () => void) => void
  /** Calls `then` each time the process is told to read its configuration again. */
  readonly onHangup: (then: () => void) => void
}

/** What a command's exit code says: done, failed, wrong usage or configuration. */
export type ExitCode = 0 | 1 | 2
