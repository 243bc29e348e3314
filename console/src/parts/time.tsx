import { signal } from '@preact/signals'
import { age } from '../format.ts'

/** The time of this machine, once a second, for everything that says how long ago something was. */
const tick = signal(Date.now())
setInterval(() => {
  if (document.visibilityState === 'visible') tick.value = Date.now()
}, 1000)

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short' })

/** `14:03:07`, with the day before it where it is not today's, and milliseconds where `exact`. Local; its title is UTC. */
export function Time({ at, exact = false }: { at: string; exact?: boolean }) {
  const date = new Date(at)
  const isToday = date.toDateString() === new Date(tick.peek()).toDateString()
  return (
    <time class="time" dateTime={at} title={at}>
      {isToday ? '' : `${day.format(date)} `}
      {clock.format(date)}
      {exact && <span class="fine">.{String(date.getMilliseconds()).padStart(3, '0')}</span>}
    </time>
  )
}

/** `12 s ago`, and it stays true. */
export function Ago({ at }: { at: string }) {
  return (
    <time class="time" dateTime={at} title={at}>
      {age(tick.value - Date.parse(at))} ago
    </time>
  )
}

/** `12 s`: for how long something has been so. */
export function Since({ at }: { at: string }) {
  return (
    <time class="time" dateTime={at} title={`since ${at}`}>
      {age(tick.value - Date.parse(at))}
    </time>
  )
}
