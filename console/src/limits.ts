/** After which a provider's user sees an error, in milliseconds: Slack waits three seconds for an answer. */
export const PROVIDER_WAITS_MS = 3000
