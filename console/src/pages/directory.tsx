import '../directory/directory.css'
import { CreateIntegration, CreateOrganization } from '../directory/create.tsx'
import { IntegrationPage } from '../directory/integration.tsx'
import { LookUp } from '../directory/look-up.tsx'
import { OrganizationPage } from '../directory/organization.tsx'
import type { PageProps } from '../pages.ts'
import { NoPage } from '../parts/no-page.tsx'
import { useArrival } from '../use-arrival.ts'

/** Who lives where: looked up, and changed row by row. */
export default function Directory({ place }: PageProps) {
  const [, kind, id] = place.parts
  useArrival(kind === undefined ? 'Directory' : `${kind} ${id ?? ''}`, `${kind ?? ''}/${id ?? ''}`)
  if (kind === undefined) return <LookUp place={place} />
  if (kind === 'integrations' && id === 'new') return <CreateIntegration />
  if (kind === 'organizations' && id === 'new') return <CreateOrganization />
  if (kind === 'integrations' && id !== undefined) return <IntegrationPage key={id} id={id} />
  if (kind === 'organizations' && id !== undefined) return <OrganizationPage key={id} id={id} />
  return <NoPage />
}
