import type { ProviderLimits } from '../../provider.ts'

/** https://docs.slack.dev/apis/events-api#error-handling, and the same for interactivity and commands. */
export const SLACK_WAITS_MS = 3000

/** https://docs.slack.dev/apis/events-api, "Failure limits" and "Rate limiting"; retries are deliveries as well. */
export const limits: ProviderLimits = {
  waitsMs: SLACK_WAITS_MS,
  failedShare: 0.95,
  deliveriesPerHour: 30_000,
  throttledRule: 'app_rate_limited',
  says:
    'Slack switches the events of an app off when more than 95 % of their deliveries within 60 minutes fail: no 2xx, or ' +
    'later than after 3 s. With fewer than 1,000 events an hour it does not. Beyond 30,000 deliveries of a workspace ' +
    'within 60 minutes it leaves events out.',
}
