/*
 * Preloaded into a server: tells whoever started it, when asked, how many bytes its main thread has put on V8's heap
 * since it began. V8 counts that anyway; buffers' memory is elsewhere and not in it.
 */
import { getHeapStatistics } from 'node:v8'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  process.on('message', (question) => {
    // Its types are Node 26's: an older one does not count.
    const { total_allocated_bytes: bytes }: { total_allocated_bytes?: number } = getHeapStatistics()
    if (question === 'allocated') process.send?.(bytes ?? null)
  })
  // A server ends when it has nothing more to do, asked or not.
  process.channel?.unref()
}
