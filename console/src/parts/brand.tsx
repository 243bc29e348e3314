/** One line that leads to three places, one of which has to wait. */
export function Brand() {
  return (
    <span class="brand">
      <svg viewBox="0 0 18 18" fill="none" stroke="currentcolor" stroke-width="1.8" aria-hidden="true">
        <path d="M1 9h12M5 9c4 0 3-6 8-6M5 9c4 0 3 6 8 6" />
        <circle cx="14.5" cy="3" r="2" fill="currentcolor" stroke="none" />
        <circle cx="14.5" cy="9" r="2" fill="currentcolor" stroke="none" />
        <circle class="wait" cx="14.5" cy="15" r="2" fill="currentcolor" stroke="none" />
      </svg>
      silo-gateway
    </span>
  )
}
