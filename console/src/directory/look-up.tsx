import { ApiError, get, getAll, queryText } from '../api.ts'
import { Field, filled, given } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { Mark } from '../parts/mark.tsx'
import { PageHead, Section } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { go, href, type Place } from '../router.ts'
import type { Integration, Organization } from '../shapes.ts'
import { useResource } from '../use-resource.ts'
import { Destinations } from './destinations.tsx'
import { useInstallation } from './use-installation.ts'

const names = ['of', 'app'] as const

/** Where does this workspace go, and why? */
export function LookUp({ place }: { place: Place }) {
  const asked = given(place.query, names)
  return (
    <>
      <PageHead
        title="Directory"
        actions={
          <>
            <a class="button" href={href('directory', 'integrations', 'new')}>
              New integration
            </a>
            <a class="button" href={href('directory', 'organizations', 'new')}>
              New organization
            </a>
          </>
        }
      >
        Where does this workspace go, and why?
      </PageHead>
      <Form
        key={queryText(asked)}
        label="Look up"
        onFilled={(form) => go(href('directory') + queryText(filled(form, names)))}
      >
        <Field name="Workspace, enterprise, slug, or the number of a row">
          <input
            name="of"
            type="search"
            class="long"
            required
            defaultValue={asked.of ?? ''}
            placeholder="T0ACME00001"
          />
        </Field>
        <Field name="App, if it matters">
          <input name="app" defaultValue={asked.app ?? ''} placeholder="A0…" />
        </Field>
        <button type="submit" class="primary">
          Look up
        </button>
      </Form>
      {asked.of === undefined ? (
        <Empty>
          Slack names the workspace (T…) or the enterprise (E…) in each webhook; a delivery’s page says where it was
          found.
        </Empty>
      ) : (
        <Answer of={asked.of} app={asked.app} />
      )}
    </>
  )
}

interface Found {
  readonly own: readonly Integration[]
  /** Of the enterprise that the directory knows the workspace to be of: they serve where it has none of its own. */
  readonly above: readonly Integration[]
  /** Of workspaces of this enterprise. */
  readonly below: readonly Integration[]
  readonly organizations: readonly Organization[]
}

function Answer({ of, app }: { of: string; app: string | undefined }) {
  const { data, error, reload } = useResource((signal) => find(of, app, signal), { key: `${of} ${app ?? ''}` })
  if (data === undefined) {
    return error === undefined ? <Loading what={`what is known of ${of}`} /> : <Failure error={error} retry={reload} />
  }
  const { own, above, below, organizations } = data
  if (own.length + below.length + organizations.length === 0) {
    return (
      <Empty>
        Nothing in the directory is {of}. Webhooks of a workspace that is unknown are refused; one whose enterprise is
        installed as a whole is served by the integration of the enterprise (E…), which Slack names beside it.
      </Empty>
    )
  }
  return (
    <>
      <p role="status" class="unseen">
        Found {own.length + below.length} integrations and {organizations.length} organizations.
      </p>
      {own.length > 1 && (
        <p class="kin">
          More than one integration is of {of}: the one with the app of the webhook serves it, else the one without an
          app.
        </p>
      )}
      {own.map((one) => (
        <Integrated key={one.id} integration={one} />
      ))}
      {above.map((one) => (
        <Integrated key={one.id} integration={one} why="serves apps that have no integration in the workspace" />
      ))}
      {below.length > 0 && (
        <Section title="Workspaces of this enterprise that have integrations of their own">
          <ul>
            {below.map(({ id, name, external_id }) => (
              <li key={id}>
                <a href={href('directory', 'integrations', id)}>
                  {external_id} {name}
                </a>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {organizations.length > 0 && (
        <Section title="Organizations">
          <ul>
            {organizations.map(({ id, slug, name, region, status, held }) => (
              <li key={id}>
                <a href={href('directory', 'organizations', id)}>
                  {id} {slug}
                </a>{' '}
                {name}, lives in {region}, {status}
                {held && ', held'}
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  )
}

/** One integration that was looked up: what it is, and where it goes. */
function Integrated({
  integration: { id, name, external_id, app_id, status },
  why,
}: {
  integration: Integration
  why?: string
}) {
  const { data, error, reload } = useInstallation(id)
  return (
    <Section
      title={`Integration ${id}${name === '' ? '' : ` · ${name}`}`}
      aside={<a href={href('directory', 'integrations', id)}>Open and change it</a>}
    >
      <p class="integrated">
        {external_id}, {app_id ?? 'any app'}
        {why !== undefined && `, ${why}`} · <Mark tone={status === 'active' ? 'good' : 'quiet'}>{status}</Mark>
      </p>
      {data !== undefined && <Destinations of={data} />}
      {data === undefined &&
        (error === undefined ? <Loading what="where it goes" /> : <Failure error={error} retry={reload} />)}
    </Section>
  )
}

async function find(of: string, app: string | undefined, signal: AbortSignal): Promise<Found> {
  if (/^\d+$/.test(of)) {
    const [integration, organization] = await Promise.all([
      orNothing(get<Integration>(`/api/integrations/${of}`, {}, { signal })),
      orNothing(get<Organization>(`/api/organizations/${of}`, {}, { signal })),
    ])
    return { own: integration, above: [], below: [], organizations: organization }
  }
  const integrations = (query: Record<string, string>) => getAll<Integration>('/api/integrations', query, { signal })
  const [all, below, organizations] = await Promise.all([
    integrations({ external_id: of }),
    integrations({ enterprise_id: of }),
    getAll<Organization>('/api/organizations', { slug: of }, { signal }),
  ])
  const isOf = ({ app_id }: Integration) => app === undefined || app_id === null || app_id === app
  const own = all.filter(isOf)
  const enterprises = [...new Set(all.flatMap(({ enterprise_id }) => enterprise_id ?? []))]
  const above = await Promise.all(enterprises.map((external_id) => integrations({ external_id })))
  return { own, above: above.flat().filter(isOf), below, organizations }
}

/** A row, where there is one. */
async function orNothing<Row>(row: Promise<Row>): Promise<readonly Row[]> {
  try {
    return [await row]
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') return []
    throw error
  }
}
