const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

/** `12,345`. */
export const count = (value: number): string => whole.format(value)

/** `3 deliveries`, `1 delivery`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** `0.04 %`, `5 %`: of 1. */
export function share(value: number): string {
  const percent = value * 100
  if (percent > 0 && percent < 0.01) return '< 0.01 %'
  return `${new Intl.NumberFormat('en', { maximumFractionDigits: percent < 1 ? 2 : 1 }).format(percent)} %`
}

/** `0.4 ms`, `38 ms`, `2.45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 2 h`: at most two units. */
export function duration(ms: number): string {
  if (ms < 10) return `${tenth.format(Math.max(0, ms))} ms`
  // Where the next unit begins once rounded: no `1,000 ms`, no `10.00 s`.
  if (ms < 999.5) return `${whole.format(ms)} ms`
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's')
  const minutes = Math.floor(seconds / 60)
  if (minutes < 48 * 60) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.floor(minutes / 60)
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** How long something has been so, in whole seconds: `0 s`, `4 s`, `3 min 20 s`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  return seconds < 60 ? `${seconds} s` : duration(seconds * 1000)
}

function two(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`
}

/** `512 B`, `3.4 kB`, `1.2 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let at = 0
  let left = value
  while (left >= 1000 && at < units.length - 1) {
    left /= 1000
    at += 1
  }
  return `${(at === 0 ? whole : tenth).format(left)} ${units[at]}`
}

/** `passed_on` as it is read: `passed on`. */
export const words = (name: string): string => name.replaceAll('_', ' ')
