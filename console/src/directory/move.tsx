import { confirm } from '../parts/confirm.tsx'
import type { RegionNow } from '../shapes.ts'
import type { Values } from './row-form.tsx'

/** What a move does, while it is being filled in. */
export function MoveWarning({
  values,
  before,
  regions,
}: {
  values: Values
  before: Values
  regions: readonly RegionNow[]
}) {
  const { region, held } = values
  const to = regions.find(({ name }) => name === region)
  return (
    <div role="status">
      {region !== before['region'] && (
        <p class="warning">
          <strong>
            This moves it from {before['region']} to {region}.
          </strong>{' '}
          {held === true
            ? 'Held, nothing is sent for it to either region: its events wait in order, clicks and commands fail, until it is released.'
            : 'What comes from now on goes to the new region at once; its data has to be there. What waits follows in its order. If its data is still on the way, hold it.'}
          {to !== undefined && to.state !== 'active' && ` ${to.name} is ${to.state}.`}
        </p>
      )}
      {region === before['region'] && held === true && before['held'] !== true && (
        <p class="warning">Held, nothing is sent for it: its events wait in order, clicks and commands fail.</p>
      )}
      {held !== true && before['held'] === true && (
        <p class="warning">Released, what waits is sent to {region}, in its order.</p>
      )}
    </div>
  )
}

/** Asks where it is more than a change of words. */
export async function isMoveMeant(slug: string, values: Values, before: Values): Promise<boolean> {
  const isMoved = values['region'] !== before['region']
  const isHeld = values['held'] !== before['held']
  if (!isMoved && !isHeld) return true
  const act = isMoved ? `Move to ${values['region']}` : values['held'] === true ? 'Hold' : 'Release'
  return await confirm({
    title: isMoved ? `Move ${slug} to ${values['region']}?` : `${act} ${slug}?`,
    text: (
      <p>
        {isMoved && `Every gateway sends its webhooks to ${values['region']} instead of ${before['region']}. `}
        {values['held'] === true
          ? 'While it is held its events wait, and clicks and commands fail.'
          : 'What waits for it follows and is sent there.'}{' '}
        To take it back, change it again.
      </p>
    ),
    act,
    isDangerous: isMoved,
  })
}
