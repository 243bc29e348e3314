import type { MailboxAddress, OpenMailbox, Spool } from '../spool/spool.ts'
import { keyOf, type Box, type Boxes } from './boxes.ts'
import type { Timers } from './timers.ts'
import type { Turns } from './turns.ts'

export interface InStepParts {
  readonly spool: Pick<Spool, 'open' | 'at' | 'changed' | 'pause'>
  readonly boxes: Boxes
  readonly turns: Pick<Turns, 'makeReady' | 'leaveOut' | 'pump'>
  readonly timers: Pick<Timers, 'stopped'>
}

/**
 * Keeps what this process thinks of the mailboxes in step with the store, which others change as well: what was paused,
 * resumed, filled or emptied there is taken over, but for what was changed here since it was read.
 */
export interface InStep {
  /** Pauses it, here and in the store; in neither where that rejects. */
  pause(box: Box, reason: string): Promise<void>
  /** These were filled past `append`. Rejects when they cannot be read: then `lookAgain` reads them. */
  filled(addresses: readonly MailboxAddress[]): Promise<void>
  /**
   * Somebody else in this process has put something into these, or taken it away: none goes on resting for what is not
   * there any more. Never rejects.
   */
  lookInto(addresses: readonly MailboxAddress[]): Promise<void>
  /** Takes over what has changed since this was last asked. Rejects when the store cannot be read. */
  lookAgain(): Promise<void>
  /** Takes over all that there is. Rejects when the store cannot be read. */
  lookAtAll(): Promise<void>
}

export function createInStep({ spool, boxes, turns, timers }: InStepParts): InStep {
  const { byId, lanes, boxAt, boxIfKnown, forget, identify } = boxes
  /** What has moved waits in mailboxes that nobody here may know of: no change of this process's own is told to it. */
  const unread = new Map<string, MailboxAddress>()
  /** Counts what is changed here, so that a list that was read before cannot undo it. */
  let changes = 0

  /** Takes over what the store says of a mailbox; `asOf` is what `changes` was when it was asked. */
  function adopt(open: OpenMailbox, asOf: number): void {
    const box = boxAt(open.address)
    identify(box, open.id)
    if (!open.isEmpty) {
      box.isEmpty = false
      // Whoever has just found it empty looked too early.
      box.stored += 1
    }
    const resumed = box.changed <= asOf && box.paused !== undefined && open.paused === undefined
    if (box.changed <= asOf) box.paused = open.paused
    if (resumed) box.refusals = 0
    if (box.isEmpty || box.paused !== undefined) turns.leaveOut(box)
    else if (box.state.kind === 'idle' || resumed) turns.makeReady(box)
  }

  function adoptAll(list: readonly OpenMailbox[], asOf: number): void {
    if (timers.stopped()) return
    const listed = new Set(list.map(({ id }) => id))
    for (const open of list) adopt(open, asOf)
    for (const [id, box] of byId) {
      if (listed.has(id) || box.changed > asOf) continue
      if (box.paused !== undefined) box.refusals = 0
      // Also of one that something is on its way into: nobody else will say so once it is there.
      box.paused = undefined
      if (box.appending > 0 || box.state.kind === 'running') continue
      // Emptied by somebody else, or paused while empty and resumed again. If it only looks so, its turn will tell.
      if (!box.isEmpty) turns.makeReady(box)
      else forget(box)
    }
    for (const lane of lanes.values()) turns.pump(lane)
  }

  async function readFilled(): Promise<void> {
    const asOf = changes
    const asked = [...unread.values()]
    // What is filled while it is asked is asked for once more.
    unread.clear()
    const found = await spool.at(asked).catch((error: unknown) => {
      for (const address of asked) unread.set(keyOf(address), address)
      throw error
    })
    for (const open of found) {
      adopt(open, asOf)
      turns.pump(boxAt(open.address).lane)
    }
  }

  async function filled(addresses: readonly MailboxAddress[]): Promise<void> {
    for (const address of addresses) unread.set(keyOf(address), address)
    await readFilled()
  }

  return {
    async pause(box, reason) {
      if (box.paused !== undefined || box.id === undefined) return
      box.paused = reason
      box.changed = changes += 1
      try {
        await spool.pause(box.id, reason)
      } catch (error) {
        box.paused = undefined
        throw error
      }
    },

    filled,

    async lookInto(addresses) {
      try {
        await filled(addresses)
      } catch {
        // The store is away, which is told each second, and then it is looked at again.
      }
      for (const address of addresses) {
        const box = boxIfKnown(address)
        // What it rested for may have gone elsewhere; if not, its head still knows how long it has to wait.
        if (box === undefined || box.isEmpty || box.paused !== undefined || box.state.kind !== 'resting') continue
        turns.makeReady(box)
        turns.pump(box.lane)
      }
    },

    async lookAgain() {
      if (unread.size > 0) await readFilled()
      const asOf = changes
      const list = await spool.changed()
      if (list !== undefined) adoptAll(list, asOf)
    },

    async lookAtAll() {
      const asOf = changes
      adoptAll(await spool.open(), asOf)
    },
  }
}
