import { get, type Page } from '../api.ts'
import '../health/health.css'
import { ProviderHealthOf } from '../health/provider-health.tsx'
import { Secrets } from '../health/secrets.tsx'
import { share } from '../format.ts'
import { PageHead } from '../parts/section.tsx'
import { Failure, Loading } from '../parts/states.tsx'
import type { ProviderHealth } from '../shapes.ts'
import { useResource } from '../use-resource.ts'

/** How the gateway stands with those who send: what they count against an app, and where that ends. */
export default function Health() {
  const { data, error, reload } = useResource(
    (signal) => get<Page<ProviderHealth>>('/api/provider-health', {}, { signal }),
    { everyMs: 5000 },
  )
  return (
    <>
      <PageHead title="Slack health">{data?.items.map(inWords).join(' ')}</PageHead>
      {error && <Failure error={error} retry={reload} />}
      {data === undefined && error === undefined && <Loading what="the last hour" />}
      {data?.items.map((health) => (
        <ProviderHealthOf key={health.provider} health={health} isAlone={data.items.length === 1} />
      ))}
      <Secrets />
    </>
  )
}

function inWords({
  answered,
  share_not_ok: bad,
  limit_share: limit,
  rate_limited_seen: limited,
}: ProviderHealth): string {
  if (answered === 0) return 'No event came within the last hour.'
  const answers = limit !== null && bad > limit ? 'Too many events count as failed' : 'Answers are within the line'
  const calls = limited === 0 ? 'and Slack held nothing back' : 'and Slack has held events back'
  return `${answers} (${share(bad)}${limit === null ? '' : ` against ${share(limit)}`}), ${calls}.`
}
