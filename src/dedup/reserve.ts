/** No machine's are smaller. */
const PAGE_BYTES = 4096
/** What is taken in one step: a third of a millisecond, that nobody notices. */
const STEP_BYTES = 1024 * 1024

/**
 * Takes the memory of an array from the system, a part with each step. It hands over a page when that is first written
 * to, so that otherwise a process goes on growing for as long as it takes to fill what it has made at its start.
 */
export function* reserve(array: Uint32Array | Float64Array | Uint16Array | Uint8Array): Generator<void> {
  const perPage = PAGE_BYTES / array.BYTES_PER_ELEMENT
  const perStep = STEP_BYTES / array.BYTES_PER_ELEMENT
  for (let at = 0; at < array.length; at += perPage) {
    array[at] = array[at] ?? 0
    if (at % perStep === 0) yield
  }
}
