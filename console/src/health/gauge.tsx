/** How much of what is allowed is used up. */
export function Gauge({ value, max, label }: { value: number; max: number; label: string }) {
  const part = max === 0 ? 0 : value / max
  return (
    <span class={`gauge ${part > 1 ? 'bad' : part > 0.7 ? 'wait' : ''}`} role="img" aria-label={label}>
      <i style={{ width: `${Math.min(100, part * 100)}%` }} />
    </span>
  )
}
