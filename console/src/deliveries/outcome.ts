import { words } from '../format.ts'

/** How a delivery ended; one region's good answer may have been passed on while another had none. */
export function outcomeOf({ outcome, failed }: { readonly outcome: string; readonly failed: boolean }): string {
  return outcome === 'passed_on' && failed ? 'passed on, not by all' : words(outcome)
}
