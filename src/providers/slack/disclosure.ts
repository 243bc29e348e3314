import type { Disclosure } from '../../provider.ts'

/** What a record may show of a webhook from Slack. What whoever reads it could act with is left out. */
export const disclosure: Disclosure = {
  headers: new Set([
    'accept',
    'content-length',
    'content-type',
    'user-agent',
    'x-slack-request-timestamp',
    'x-slack-retry-num',
    'x-slack-retry-reason',
    'x-slack-no-retry',
  ]),
  // With a trigger id, or what replaces it, a modal is opened; whoever knows a response_url speaks in the channel.
  secretName:
    /(?:^|[_-])(?:token|tokens|secret|password|signature|authorization|cookie)$|^(?:response_urls?|trigger_id|interactivity_pointer)$/i,
  // Tokens (https://docs.slack.dev/authentication/tokens) and the addresses of Slack's hooks, in a text, in JSON within
  // a text or encoded for a form.
  secretText:
    /\b(?:xox[a-z](?:\.xox[a-z])?|xapp|xwfp)-[\w.-]+|https?(?::|%3A)(?:\\*\/|%2F){2}hooks\.slack(?:-gov)?\.com(?:[^\s"'<>\\]|\\+\/)*/gi,
}
