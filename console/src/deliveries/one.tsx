import { useEffect, useState } from 'preact/hooks'
import { get, queryText } from '../api.ts'
import { counted, duration, words } from '../format.ts'
import { Mark, outcomeTone } from '../parts/mark.tsx'
import { Facts, PageHead, Section } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { Time } from '../parts/time.tsx'
import { href } from '../router.ts'
import type { Delivery } from '../shapes.ts'
import { useResource } from '../use-resource.ts'
import { laneOf, openLane } from '../waterfall/lanes.ts'
import { Waterfall, type Moment } from '../waterfall/waterfall.tsx'
import { AttemptTable } from './attempts.tsx'
import { Content } from './content.tsx'
import { outcomeOf } from './outcome.ts'
import { Story } from './story.tsx'

/** One webhook: its fan-out on a time axis, what came of it later, and why, step by step. */
export function OneDelivery({ id }: { id: string }) {
  const [everyMs, setPace] = useState<number>()
  const { data, error, reload } = useResource(
    (signal) => get<Delivery>(`/api/deliveries/${encodeURIComponent(id)}`, {}, { signal }),
    everyMs === undefined ? {} : { everyMs },
  )
  const pace = data === undefined ? undefined : paceOf(data)
  useEffect(() => setPace(pace), [pace])

  const title = (
    <>
      Delivery <code class="id">{id}</code>
    </>
  )
  if (data === undefined) {
    return (
      <>
        <PageHead title={title} />
        {error === undefined ? <Loading what="the delivery" /> : <Failure error={error} retry={reload} />}
      </>
    )
  }
  return (
    <>
      <PageHead title={title} actions={<Onward delivery={data} />}>
        <Mark tone={outcomeTone(data.outcome, data.failed)}>{outcomeOf(data)}</Mark>
        {' · '}
        {answerOf(data)}
        {everyMs !== undefined && ' · followed as it goes on'}
      </PageHead>
      <Kin delivery={data} />
      <Section title="Fan-out" aside={planOf(data)}>
        <FanOut delivery={data} />
      </Section>
      <Afterwards delivery={data} />
      <Section title="The story in words">
        <Story lines={data.lines} />
      </Section>
      <Section title="Facts">
        <div class="delivery-facts">
          <Facts items={factsOf(data)} />
        </div>
      </Section>
      {data.content !== null && (
        <Section title="Content" aside="without its secrets">
          <Content content={data.content} />
        </Section>
      )}
    </>
  )
}

/** How often to look again while something may still become of it, in milliseconds; undefined: it is over. */
function paceOf(delivery: Delivery): number | undefined {
  const { running, outcome, late_answer, request, plan, attempts, later, dead } = delivery
  if (running || (outcome === 'late' && late_answer === null)) return 1000
  if (request?.promised !== 'delivery' || plan === null) return undefined
  const arrived = [...attempts, ...later].filter(({ status }) => status !== null && status >= 200 && status < 300)
  const settled = new Set([...arrived, ...dead].map(({ region }) => region))
  return plan.regions.every((region) => settled.has(region)) ? undefined : 1000
}

function answerOf({ status, answered_ms, answered_from }: Delivery): string {
  if (status === null) return `the caller went away after ${duration(answered_ms)}`
  const from = answered_from === null ? '' : ` with ${answered_from}’s reply`
  return `answered ${status}${from} after ${duration(answered_ms)}`
}

function planOf({ plan }: Delivery): string | undefined {
  if (plan === null) return undefined
  return `${plan.kind === 'first' ? 'the first region' : 'all regions'}, by ${plan.rule}`
}

/** Where to go on from here. */
function Onward({ delivery: { id, installation, integration } }: { delivery: Delivery }) {
  const key = installation?.external_id
  return (
    <>
      <a class="button" href={href('explain') + queryText({ delivery: id })}>
        Explain it now
      </a>
      {key != null && (
        <a class="button" href={href('deliveries') + queryText({ installation: key })}>
          Others of {key}
        </a>
      )}
      {integration !== null && (
        <a class="button" href={href('directory', 'integrations', integration.id)}>
          Where it goes
        </a>
      )}
    </>
  )
}

function Kin({ delivery: { duplicate_of: original, duplicates } }: { delivery: Delivery }) {
  if (original === null && duplicates.count === 0) return null
  return (
    <p class="kin">
      {original !== null && (
        <>
          This is a duplicate: no region was asked again, and it got the answer of{' '}
          <a href={href('deliveries', original)}>{original}</a>.
        </>
      )}
      {duplicates.count > 0 && (
        <>
          {counted(duplicates.count, 'duplicate')} of it got the same answer
          {duplicates.last_at !== null && (
            <>
              , the last at <Time at={duplicates.last_at} exact />
            </>
          )}
          .
        </>
      )}
    </p>
  )
}

function FanOut({ delivery }: { delivery: Delivery }) {
  const { attempts, running, plan, answered_ms, status, budget_ms } = delivery
  const asked = new Set(attempts.map(({ region }) => region))
  const open = running ? (plan?.regions ?? []).filter((region) => !asked.has(region)) : []
  const lanes = [...attempts.map((attempt, index) => laneOf(attempt, String(index))), ...open.map(openLane)]
  if (lanes.length === 0) return <Empty>No region was asked.</Empty>
  const moments: Moment[] = [
    { kind: 'answer', at: answered_ms, text: status === null ? 'the caller went away' : `answered ${status}` },
    ...(budget_ms === null ? [] : [{ kind: 'budget' as const, at: budget_ms, text: 'the budget' }]),
  ]
  return (
    <>
      <Waterfall
        label="Attempts while the provider waited"
        lanes={lanes}
        moments={moments}
        from="after the first byte"
      />
      {attempts.length > 0 && <AttemptTable label="The first attempts in figures" attempts={attempts} />}
    </>
  )
}

/** So many of what a mailbox has tried are drawn; the table below has all. */
const DRAWN = 20

/** What became of it once the provider had its answer. */
function Afterwards({ delivery: { later, dead, late_answer: late, outcome } }: { delivery: Delivery }) {
  if (later.length === 0 && dead.length === 0 && late === null && outcome !== 'late') return null
  const lanes = later.slice(-DRAWN).map((one, index) => laneOf(one, String(index)))
  return (
    <Section
      title="Afterwards"
      aside={later.length > DRAWN ? `the last ${DRAWN} of ${later.length} attempts` : undefined}
    >
      {lanes.length > 0 && <Waterfall label="Attempts afterwards" lanes={lanes} from="after each was begun" />}
      {later.length > 0 && <AttemptTable label="The attempts afterwards in figures" attempts={later} />}
      <ul class="afterwards">
        {dead.map(({ region, reason, at }) => (
          <li key={`${region} ${at}`}>
            <Mark tone="bad">given up</Mark> for {region || 'its regions'}: {reason}, <Time at={at} exact />.{' '}
            <a href={href('dead-letters') + queryText({ region })}>Dead letters</a>
          </li>
        ))}
        {late !== null && (
          <li>
            <Mark tone={late.result === 'posted' ? 'good' : 'bad'}>late answer {words(late.result)}</Mark>
            {late.reason !== null && ` (${late.reason})`}, <Time at={late.at} exact />
          </li>
        )}
        {late === null && outcome === 'late' && (
          <li>
            <Mark tone="wait">a late answer is owed</Mark>
          </li>
        )}
      </ul>
    </Section>
  )
}

function factsOf(delivery: Delivery): [string, preact.ComponentChildren][] {
  const { installation, lookup, integration, organizations, regions, verified_by, hint, door, request } = delivery
  return [
    ['Received', <Time at={delivery.received_at} exact />],
    ['Surface and type', `${delivery.surface}${delivery.type === null ? '' : `, ${delivery.type}`}`],
    ['Installation', installation === null ? 'none named' : installationOf(installation)],
    ['Directory', lookup === null ? 'not asked' : verdictOf(lookup)],
    [
      'Integration',
      integration === null ? (
        'none'
      ) : (
        <a href={href('directory', 'integrations', integration.id)}>
          {integration.id} {integration.name}
        </a>
      ),
    ],
    [
      'Organizations',
      organizations.length === 0
        ? 'none'
        : organizations.map(({ id, slug, region }, index) => (
            <>
              {index > 0 && ', '}
              <a href={href('directory', 'organizations', id)}>{slug}</a> in {region}
            </>
          )),
    ],
    ['Hint', hint === null ? 'none' : `${hint.names.join(', ') || 'another'}, ${hint.use}`],
    [
      'Regions',
      regions.map(({ name, state, planned }) => `${name} ${state ?? 'unknown'}${planned ? '' : ', out'}`).join('; ') ||
        'none',
    ],
    ['Signature', verified_by === null ? 'not verified' : `by secret ${verified_by.fingerprint ?? 'unknown'}`],
    ['Promised', request === null ? 'nothing' : words(request.promised)],
    ['Provider', door?.provider ?? 'nobody’s'],
    ['Gateway', delivery.gateway],
  ]
}

function installationOf({
  external_id,
  integration_id,
  enterprise_id,
  found_in,
}: NonNullable<Delivery['installation']>) {
  const key = external_id ?? `integration ${integration_id}`
  return `${key}${enterprise_id === null ? '' : ` of ${enterprise_id}`}, found in ${found_in}`
}

function verdictOf({ verdict, age_ms: age }: NonNullable<Delivery['lookup']>): string {
  return age === null ? verdict : `${verdict}, ${duration(age)} old`
}
