import { REPLAYED_AT_ONCE, type Replayed, type ReplayPart, type ReplayPlace } from './spool.ts'

/** Replays dead letters a part at a time, to the last; returns how many wait again. */
export async function replayAll(replay: (part: ReplayPart) => Promise<Replayed>): Promise<number> {
  let all = 0
  let from: ReplayPlace | undefined
  do {
    const { replayed, rest } = await replay({ limit: REPLAYED_AT_ONCE, from })
    all += replayed
    from = rest
  } while (from !== undefined)
  return all
}
