import { signal } from '@preact/signals'
import type { ApiError } from '../api.ts'
import { Mark, type Tone } from './mark.tsx'
import { Faults, problemInWords } from './states.tsx'

interface Notice {
  readonly id: number
  readonly text: string
  readonly tone: Tone
  readonly error?: ApiError
}

const notices = signal<readonly Notice[]>([])
let last = 0

/** Good news go by themselves; bad ones stay until they are put away. */
const GONE_AFTER_MS = 6000

/** Says that something was done. */
export function notify(text: string, tone: Tone = 'good'): void {
  const id = show({ text, tone })
  setTimeout(() => putAway(id), GONE_AFTER_MS)
}

/** Says that something was not done, and why: `notifyFailure('eu was not drained', error)`. */
export function notifyFailure(text: string, error: ApiError): void {
  show({ text, tone: 'bad', error })
}

function show(notice: Omit<Notice, 'id'>): number {
  last += 1
  notices.value = [...notices.value.slice(-3), { ...notice, id: last }]
  return last
}

function putAway(gone: number): void {
  notices.value = notices.value.filter(({ id }) => id !== gone)
}

/** Where notices are shown, and read out as they come. */
export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(({ id, text, tone, error }) => (
        <div key={id} class={`notice ${tone}`}>
          <div>
            <Mark tone={tone}>{text}</Mark>
            {error && <p>{problemInWords(error).join(' ')}</p>}
            {error && <Faults faults={error.faults} />}
          </div>
          <button type="button" class="plain" aria-label={`Put away: ${text}`} onClick={() => putAway(id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  )
}
