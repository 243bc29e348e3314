import { count, counted, duration, share } from '../format.ts'
import { Mark } from '../parts/mark.tsx'
import { Facts, Section } from '../parts/section.tsx'
import { Empty } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { Ago, Time } from '../parts/time.tsx'
import type { ProviderHealth } from '../shapes.ts'
import { Gauge } from './gauge.tsx'

/** One provider: what it got, and who sends most. */
export function ProviderHealthOf({ health, isAlone }: { health: ProviderHealth; isAlone: boolean }) {
  const of = isAlone ? '' : ` · ${health.provider}`
  return (
    <>
      <Answers health={health} title={`Answers that count as failed${of}`} />
      <Busiest health={health} title={`Deliveries per workspace${of}`} />
    </>
  )
}

function Answers({ health, title }: { health: ProviderHealth; title: string }) {
  const { answered, not_ok: bad, share_not_ok: part, limit_share: limit, limit_says: says } = health
  const { rate_limited_seen: limited, rate_limited_last_at: last } = health
  return (
    <Section
      title={title}
      aside={
        <>
          this gateway alone, since <Time at={health.since} />
        </>
      }
    >
      <Gauge value={part} max={limit ?? 1} label={`${share(part)} of the events`} />
      <p class="gauge-told">
        {limit !== null && part > limit ? (
          <Mark tone="bad">over the line</Mark>
        ) : (
          <Mark tone="good">within the line</Mark>
        )}
        <span>
          <b>{share(part)}</b>: {count(bad)} of {counted(answered, 'event')} in {duration(health.window_ms)}
          {limit !== null && <>; the line is at {share(limit)}</>}
        </span>
      </p>
      <p class="hint">{says}</p>
      <Facts
        items={[
          [
            'Rate limited',
            limited === 0 ? (
              <Mark tone="good">not seen</Mark>
            ) : (
              <Mark tone="wait">{counted(limited, 'time')} seen</Mark>
            ),
          ],
          ['Last rate limited', last === null ? 'never' : <Ago at={last} />],
          ['Not proven', <Unproven health={health} />],
        ]}
      />
    </Section>
  )
}

/** Where next to nothing is proven, the gateway itself is what is wrong. */
function Unproven({ health: { unproven, answered } }: { health: ProviderHealth }) {
  if (unproven === 0) return <Mark tone="good">none</Mark>
  const most = unproven > answered
  return (
    <Mark tone={most ? 'bad' : 'quiet'}>
      {counted(unproven, 'webhook')}
      {most && ': is a secret wrong, or the clock?'}
    </Mark>
  )
}

function Busiest({ health: { busiest, deliveries_limit: limit }, title }: { health: ProviderHealth; title: string }) {
  return (
    <Section title={title} aside={limit === null ? 'the last hour' : `the last hour, against ${count(limit)}`}>
      {busiest.length === 0 ? (
        <Empty>Nothing came from any workspace.</Empty>
      ) : (
        <Table
          label={`${title}, the busiest first`}
          rows={busiest}
          rowKey={({ installation, app_id: app }) => `${installation} ${app}`}
          columns={[
            { name: 'Workspace', cell: ({ installation }) => <span class="mono">{installation}</span> },
            { name: 'App', cell: ({ app_id: app }) => <span class="mono">{app ?? '–'}</span> },
            { name: 'Deliveries', numeric: true, cell: ({ deliveries }) => count(deliveries) },
            {
              name: 'Of the limit',
              numeric: true,
              cell: ({ deliveries }) => (limit === null ? '–' : share(deliveries / limit)),
            },
            {
              name: 'At a glance',
              wide: true,
              cell: ({ installation, deliveries }) =>
                limit !== null && <Gauge value={deliveries} max={limit} label={`${installation}, of the limit`} />,
            },
          ]}
        />
      )}
    </Section>
  )
}
