import { useEffect, useRef } from 'preact/hooks'
import { Story } from '../deliveries/story.tsx'
import { words } from '../format.ts'
import { Mark, type Tone } from '../parts/mark.tsx'
import { Section } from '../parts/section.tsx'
import { Table } from '../parts/table.tsx'
import { href } from '../router.ts'
import type { Explanation } from '../shapes.ts'

/** A decision: how it would end, step by step, and who is in and out. Whoever asked is led to it. */
export function Explained({ explanation: { outcome, lines, organizations, regions } }: { explanation: Explanation }) {
  const top = useRef<HTMLDivElement>(null)
  useEffect(() => top.current?.focus(), [])
  return (
    <div ref={top} class="explained" tabIndex={-1} role="group" aria-label="The explanation">
      <p class="verdict">
        <Mark tone={toneOf(outcome)}>
          {words(outcome.kind)}
          {outcome.status !== null && `, answered with ${outcome.status}`}
        </Mark>
      </p>
      <Section title="In words">
        <Story lines={lines} />
      </Section>
      {organizations.length > 0 && (
        <Section title="Organizations">
          <Table
            label="Organizations, in or out"
            columns={[
              {
                name: 'Organization',
                cell: ({ id, slug }) => (
                  <a href={href('directory', 'organizations', id)}>
                    {id} {slug}
                  </a>
                ),
              },
              { name: 'Region', cell: ({ region, held }) => `${region}${held ? ', held' : ''}` },
              { name: 'Link', cell: ({ link_status }) => link_status },
              {
                name: 'In',
                cell: ({ included, why_not }) =>
                  included ? <Mark tone="good">in</Mark> : <Mark tone="quiet">out: {words(why_not ?? '')}</Mark>,
              },
            ]}
            rows={organizations}
            rowKey={({ id }) => id}
          />
        </Section>
      )}
      {regions.length > 0 && (
        <Section title="Regions" aside="in the order in which they stand">
          <Table
            label="Regions and what happens"
            columns={[
              { name: 'Region', cell: ({ name }) => name },
              {
                name: 'State',
                cell: ({ state, override }) => `${state ?? 'unknown'}${override === null ? '' : ', told so'}`,
              },
              { name: 'Breaker', cell: ({ breaker }) => (breaker === null ? 'not asked' : words(breaker)) },
              { name: 'Organizations', cell: ({ organizations: ids }) => ids.join(', ') },
              {
                name: 'What happens',
                cell: ({ expected, why }) => (
                  <Mark tone={tones[expected]}>
                    {words(expected)}
                    {why !== null && `: ${words(why)}`}
                  </Mark>
                ),
              },
            ]}
            rows={regions}
            rowKey={({ name }) => name}
          />
        </Section>
      )}
    </div>
  )
}

const tones: Readonly<Record<Explanation['regions'][number]['expected'], Tone>> = {
  asked: 'good',
  waits: 'wait',
  fails: 'bad',
  not_asked: 'quiet',
}

function toneOf({ kind }: Explanation['outcome']): Tone {
  switch (kind) {
    case 'dispatched':
      return 'good'
    case 'refused':
    case 'unknown_integration':
    case 'directory_away':
      return 'bad'
    case 'shed':
    case 'waits_for_home':
      return 'wait'
    case 'answered_here':
    case 'control_page':
    case 'inactive':
      return 'quiet'
  }
}
