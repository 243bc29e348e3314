/** A host that answers may be posted to besides Slack's. Without a port it stands for the default port of the scheme. */
export interface ResponseHost {
  /** As the URL standard writes it. */
  readonly hostname: string
  readonly port: string | undefined
}

/** Slack's own, the latter for GovSlack. (https://docs.slack.dev/govslack) */
const slackHosts: ReadonlySet<string> = new Set(['hooks.slack.com', 'hooks.slack-gov.com'])

const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/** Reads `host` or `host:port`; undefined where the text is neither, or is no host as the URL standard writes it. */
export function readResponseHost(text: string): ResponseHost | undefined {
  const [, host, port] = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9]\d*))?$/i.exec(text) ?? []
  if (host === undefined) return undefined
  const url = URL.parse(`http://${text}`)
  // `127.1` is a way to write an address: whoever looks here for what may be dialled shall read it.
  return url?.hostname === host.toLowerCase() ? { hostname: url.hostname, port } : undefined
}

/**
 * Whether an answer may be posted to a response_url: at Slack's hosts by https on the default port, at the hosts the
 * operator adds also by http, nowhere with credentials. The URL is judged as the URL standard parses it, which is how
 * it is dialled: whatever a text looks like, only the host it leads to counts.
 */
export function mayPostTo(text: string, extraHosts: readonly ResponseHost[]): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return false
  const defaultPort = defaultPorts[url.protocol]
  if (defaultPort === undefined) return false
  if (url.protocol === 'https:' && url.port === '' && slackHosts.has(url.hostname)) return true
  const port = url.port || defaultPort
  return extraHosts.some((host) => host.hostname === url.hostname && (host.port ?? defaultPort) === port)
}
