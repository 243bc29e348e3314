import { duration } from '../format.ts'
import './latency-bar.css'

/** From one millisecond to ten seconds, a factor of ten each quarter. */
const place = (ms: number): number => (Math.log10(Math.min(10_000, Math.max(1, ms))) / 4) * 100

/** How far it is from the middle to the slowest, on the same scale for all, with a tick where a provider gives up. */
export function LatencyBar({ p50, p99, limit }: { p50: number; p99: number; limit: number }) {
  const from = place(p50)
  return (
    <span class="latency">
      <span class="scale" aria-hidden="true">
        <i class="reach" style={{ left: `${from}%`, width: `${Math.max(1.5, place(p99) - from)}%` }} />
        <i class="limit" style={{ left: `${place(limit)}%` }} />
      </span>
      <span class="told">
        <span class="unseen">half within </span>
        {duration(p50)}
        <span aria-hidden="true"> · </span>
        <span class="unseen">, 99 % within </span>
        {duration(p99)}
      </span>
    </span>
  )
}
