import { href } from '../router.ts'
import type { MailboxNow } from '../shapes.ts'

/** Whose mailbox it is, in words. */
export function Whose({
  of,
}: {
  of: Pick<MailboxNow, 'kind' | 'integration_id' | 'region' | 'organization_id' | 'installation'>
}) {
  const { kind, integration_id: integration, region, organization_id: organization, installation } = of
  return (
    <>
      {kind === 'unresolved' && <>not known whose: {installation}</>}
      {integration !== null && (
        <>
          integration <a href={href('directory', 'integrations', integration)}>{integration}</a>
        </>
      )}
      {region !== null && <> to {region}</>}
      {organization !== null && (
        <>
          , held for organization <a href={href('directory', 'organizations', organization)}>{organization}</a>
        </>
      )}
    </>
  )
}
