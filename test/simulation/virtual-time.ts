import type { Clock } from '../../src/clock.ts'

/** A process of the virtual machine: what it waits for comes to it unless it has died, and late while it is stopped. */
export interface Owner {
  state: 'running' | 'suspended' | 'dead'
}

interface Event {
  readonly due: number
  readonly order: number
  readonly owner: Owner | undefined
  readonly kind: EventKind
  readonly task: Task
}

interface Task {
  /** Undefined once it was cancelled. */
  run: (() => void) | undefined
}

/** What wakes a process: its own timers, or something that has come in from outside. */
type EventKind = 'timer' | 'input'

export interface VirtualTime {
  readonly monotonic: number
  /** Unix milliseconds. */
  readonly now: number
  /** Sets the wall clock of the machine. */
  jump(ms: number): void
  /** Of the world, which neither dies nor stops. */
  in(ms: number, run: () => void): () => void
  /** Something that comes to a process from outside. */
  toProcess(owner: Owner, ms: number, run: () => void): () => void
  clockOf(owner: Owner): Clock
  /** Lets a suspended process go on: what was due meanwhile happens now, in the order a seed says. */
  resume(owner: Owner, first: EventKind): void
  /** Timers that a process has set and not cancelled. */
  timersOf(owner: Owner): number
  /** Runs what is due, one event after the other, each to its very end, until `until` says so or nothing is left. */
  run(until: () => boolean): Promise<void>
}

/**
 * Nothing a process has begun goes on by itself: promises settle within the turn of the event they wait for, and what
 * is left to the end of the turn (`setImmediate`) happens in the first of these two.
 */
const turnEnded = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

export function createVirtualTime({ startedAt, wallAt }: { startedAt: number; wallAt: number }): VirtualTime {
  const queue = createQueue()
  const suspended = new Map<Owner, Event[]>()
  let monotonic = startedAt
  let wallOffset = wallAt - startedAt
  let order = 0

  function add(owner: Owner | undefined, kind: EventKind, ms: number, run: () => void): () => void {
    if (owner?.state === 'dead') return () => {}
    const task: Task = { run }
    queue.push({ due: monotonic + ms, order: order++, owner, kind, task })
    return () => {
      task.run = undefined
    }
  }

  const time: VirtualTime = {
    get monotonic() {
      return monotonic
    },
    get now() {
      return Math.floor(monotonic + wallOffset)
    },
    jump(ms) {
      wallOffset += ms
    },
    in: (ms, run) => add(undefined, 'input', ms, run),
    toProcess: (owner, ms, run) => add(owner, 'input', ms, run),
    clockOf: (owner) => ({
      now: () => time.now,
      monotonic: () => monotonic,
      // As Node does it: whole milliseconds, one at least, so that a timer may run a fraction before its time.
      after: (ms, then) => add(owner, 'timer', ms >= 1 ? Math.trunc(ms) : 1, then),
    }),
    resume(owner, first) {
      owner.state = 'running'
      const waiting = suspended.get(owner) ?? []
      suspended.delete(owner)
      const rank = ({ kind }: Event): number => (kind === first ? 0 : 1)
      for (const event of waiting.sort((a, b) => rank(a) - rank(b) || a.due - b.due || a.order - b.order)) {
        queue.push({ ...event, due: monotonic, order: order++ })
      }
    },
    timersOf: (owner) =>
      [...queue.all(), ...(suspended.get(owner) ?? [])].filter(
        (event) => event.owner === owner && event.kind === 'timer' && event.task.run !== undefined,
      ).length,
    async run(until) {
      await turnEnded()
      while (!until()) {
        const event = queue.pop()
        if (event === undefined) return
        const { task, owner } = event
        const { run } = task
        if (run === undefined || owner?.state === 'dead') continue
        monotonic = Math.max(monotonic, event.due)
        if (owner?.state === 'suspended') {
          const waiting = suspended.get(owner)
          if (waiting === undefined) suspended.set(owner, [event])
          else waiting.push(event)
          continue
        }
        run()
        await turnEnded()
      }
    },
  }
  return time
}

/** A binary heap by time, and among those of one time by the order in which they were put in. */
function createQueue() {
  const heap: Event[] = []
  const before = (a: Event, b: Event): boolean => a.due < b.due || (a.due === b.due && a.order < b.order)

  return {
    all: (): readonly Event[] => heap,
    push(event: Event): void {
      let at = heap.length
      heap.push(event)
      while (at > 0) {
        const parentAt = (at - 1) >> 1
        const parent = heap[parentAt]
        if (parent === undefined || before(parent, event)) break
        heap[at] = parent
        at = parentAt
      }
      heap[at] = event
    },
    pop(): Event | undefined {
      const [first] = heap
      const last = heap.pop()
      if (first === undefined || last === undefined || heap.length === 0) return first
      let at = 0
      for (;;) {
        let childAt = 2 * at + 1
        let child = heap[childAt]
        const other = heap[childAt + 1]
        if (child !== undefined && other !== undefined && before(other, child)) {
          child = other
          childAt += 1
        }
        if (child === undefined || before(last, child)) break
        heap[at] = child
        at = childAt
      }
      heap[at] = last
      return first
    },
  }
}
