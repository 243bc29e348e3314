import type { RoutableRequest } from '../../provider.ts'

/**
 * A request from Slack, verified and read: what it is decides the plan and what Slack hears. `responseUrl` is one that
 * may be posted to. Whoever knows it may speak in the channel: it is never logged.
 */
export type SlackRequest = RoutableRequest &
  (
    | { readonly kind: 'event' }
    | { readonly kind: 'command'; readonly responseUrl: string | undefined }
    /** `value`: the first that an action carries. */
    | { readonly kind: 'action'; readonly value: string | undefined; readonly responseUrl: string | undefined }
    /** `submitted` against closed or cancelled. */
    | { readonly kind: 'view'; readonly submitted: boolean }
    | { readonly kind: 'dialog'; readonly submitted: boolean }
    | { readonly kind: 'shortcut' }
    | { readonly kind: 'options' }
    /** Any other type of interactivity, known to Slack or not yet. */
    | { readonly kind: 'other' }
    | { readonly kind: 'page' }
  )
