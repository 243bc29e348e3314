import { Worker } from 'node:worker_threads'
import { createShortLivedMap } from '../short-lived-map.ts'
import type { RecordWriter } from './record-store.ts'
import type { Batch, Erasure, Limits } from './record-tables.ts'

type Call =
  | { readonly kind: 'write'; readonly batch: Batch }
  | { readonly kind: 'sweep'; readonly limits: Limits }
  | { readonly kind: 'erase'; readonly from: Erasure }

export type ToThread = (Call & { readonly id: number }) | { readonly kind: 'end' }

export type FromThread = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string })

/** Writes to a file in a thread of its own, begun when there is something to write. The file has its tables. */
export function createFileWriter(path: string): RecordWriter & { close(): Promise<void> } {
  let pending = createShortLivedMap<PromiseWithResolvers<unknown>>()
  let thread: Worker | undefined
  let lastId = 0

  function started(): Worker {
    if (thread !== undefined) return thread
    const begun = startThread(path)
    let failure = 'it was ended'
    begun.on('message', (message: FromThread) => {
      const asked = pending.get(message.id)
      pending.delete(message.id)
      if ('error' in message) asked?.reject(new Error(message.error))
      else asked?.resolve(message.result)
      if (pending.size === 0) begun.unref()
    })
    begun.on('error', (error: unknown) => {
      failure = error instanceof Error ? error.message : String(error)
    })
    begun.on('exit', () => {
      if (thread === begun) thread = undefined
      const left = pending.values()
      pending = createShortLivedMap()
      for (const asked of left) asked.reject(new Error(`the thread that writes records failed: ${failure}`))
    })
    thread = begun
    return begun
  }

  /** What the thread answers is what the writer it stands for would. */
  function ask<Result>(call: Call): Promise<Result> {
    const to = started()
    const asked = Promise.withResolvers<unknown>()
    const id = (lastId += 1)
    pending.set(id, asked)
    to.ref()
    send(to, { ...call, id })
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
    return asked.promise as Promise<Result>
  }

  return {
    write: (batch) => ask({ kind: 'write', batch }),
    sweep: (limits) => ask({ kind: 'sweep', limits }),
    erase: (from) => ask({ kind: 'erase', from }),
    async close() {
      const ending = thread
      if (ending === undefined) return
      const gone = new Promise((resolve) => ending.once('exit', resolve))
      ending.ref()
      send(ending, { kind: 'end' })
      await gone
    },
  }
}

function send(to: Worker, message: ToThread): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window, has no origin
  to.postMessage(message)
}

function startThread(path: string): Worker {
  // The build leaves this name alone, and changes that of the file.
  const file = import.meta.url.endsWith('.ts') ? './record-thread.ts' : './record-thread.js'
  return new Worker(new URL(file, import.meta.url), {
    workerData: { path },
    execArgv: [],
    // What it holds for longer than a message is 7 MB, and a block in work some MB more. By default V8 lets it keep 40
    // MiB of what is young, and 60 MB of what compressing leaves before it looks there; with these limits 26.
    resourceLimits: { maxYoungGenerationSizeMb: 6, maxOldGenerationSizeMb: 32 },
  })
}
