import { Component } from 'preact'
import { Mark, outcomeTone } from '../parts/mark.tsx'
import { Time } from '../parts/time.tsx'
import { href } from '../router.ts'
import type { DeliveryListing } from '../shapes.ts'
import { outcomeOf } from './outcome.ts'

/** Deliveries, a row each; what is narrow shows less of each. */
export function DeliveryRows({ rows, caption }: { rows: readonly DeliveryListing[]; caption: string }) {
  return (
    <table class="deliveries">
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          <th scope="col" class="received">
            Received
          </th>
          <th scope="col">Webhook</th>
          <th scope="col" class="whose">
            Installation
          </th>
          <th scope="col" class="planned">
            Regions
          </th>
          <th scope="col" class="status">
            Status
          </th>
          <th scope="col" class="outcome">
            Outcome
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((one) => (
          <Row key={one.id} one={one} />
        ))}
      </tbody>
    </table>
  )
}

/** One that is as it was is not drawn again: a tail puts dozens before hundreds several times a second. */
class Row extends Component<{ readonly one: DeliveryListing }> {
  // A row's virtual nodes that were kept for the next time would hold all that were drawn with it.
  override shouldComponentUpdate({ one }: { readonly one: DeliveryListing }): boolean {
    return one !== this.props.one
  }

  override render() {
    const { one } = this.props
    const { id, received_at, surface, type, installation, regions, status, outcome, failed } = one
    return (
      <tr class={failed ? 'failed' : ''}>
        <th scope="row" class="received">
          <a href={href('deliveries', id)} title={id}>
            <Time at={received_at} exact />
          </a>
        </th>
        <td>
          {surface} <span class="type">{type}</span>
        </td>
        <td class="whose">{installation}</td>
        <td class="planned">{regions.join(', ')}</td>
        <td class="status">{status ?? '—'}</td>
        <td class="outcome">
          <Mark tone={outcomeTone(outcome, failed)}>{outcomeOf(one)}</Mark>
        </td>
      </tr>
    )
  }
}
