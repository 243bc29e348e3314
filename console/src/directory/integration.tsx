import { useState } from 'preact/hooks'
import { put, queryText, remove } from '../api.ts'
import { confirm } from '../parts/confirm.tsx'
import { Mark } from '../parts/mark.tsx'
import { notify, notifyFailure } from '../parts/notices.tsx'
import { PageHead, Section } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { go, href } from '../router.ts'
import type { Integration, Link } from '../shapes.ts'
import { useFocusKept } from '../use-focus-kept.ts'
import { asApiError } from '../use-resource.ts'
import { Destinations } from './destinations.tsx'
import { RowForm, type RowField } from './row-form.tsx'
import { useInstallation, type Installation } from './use-installation.ts'
import { servedBy, type Served } from './where.ts'

const statuses = ['active', 'disabled'] as const

export const integrationFields: readonly RowField[] = [
  { name: 'name', label: 'Name', kind: 'text' },
  { name: 'status', label: 'Status', kind: statuses, hint: 'Of a disabled one, webhooks are answered and go nowhere.' },
  { name: 'provider', label: 'Provider', kind: 'text', isRequired: true },
  { name: 'external_id', label: 'Workspace or enterprise', kind: 'text', isRequired: true, hint: 'T… or E…' },
  { name: 'app_id', label: 'App', kind: 'text', isNullable: true, hint: 'Empty: it serves every app.' },
  {
    name: 'enterprise_id',
    label: 'Enterprise',
    kind: 'text',
    isNullable: true,
    hint: 'That the workspace belongs to.',
  },
  {
    name: 'default_organization_id',
    label: 'Default organization',
    kind: 'text',
    isNullable: true,
    hint: 'The number of the one whose region is asked first.',
  },
]

/** One integration: where it goes, whom it serves, and what can be changed of it. */
export function IntegrationPage({ id }: { id: string }) {
  const { data, error, reload } = useInstallation(id)
  if (data === undefined) {
    return (
      <>
        <PageHead title={`Integration ${id}`} />
        {error === undefined ? <Loading what="the integration" /> : <Failure error={error} retry={reload} />}
      </>
    )
  }
  const { integration, etag } = data
  const what = `integration ${id}`
  return (
    <>
      <PageHead
        title={`Integration ${id}${integration.name === '' ? '' : ` · ${integration.name}`}`}
        actions={
          <>
            <a class="button" href={href('deliveries') + queryText({ integration_id: id })}>
              Its deliveries
            </a>
            <a class="button" href={href('mailboxes') + queryText({ integration_id: id })}>
              Its mailboxes
            </a>
          </>
        }
      >
        {integration.external_id} at {integration.provider}, {integration.app_id ?? 'any app'} ·{' '}
        <Mark tone={integration.status === 'active' ? 'good' : 'quiet'}>{integration.status}</Mark>
      </PageHead>
      <Section title="Where its webhooks go">
        <Destinations of={data} />
      </Section>
      <Section title="Organizations">
        <Organizations of={data} onChange={reload} />
      </Section>
      <Section title="Change it">
        <RowForm<Integration>
          key={etag}
          what={what}
          path={`/api/integrations/${id}`}
          fields={integrationFields}
          row={valuesOf(integration)}
          etag={etag}
          onSaved={() => {
            notify(`Integration ${id} is saved`)
            reload()
          }}
        />
      </Section>
      <Section title="Delete it">
        <p class="hint">
          With its links and linked identities. Webhooks of {integration.external_id} are then unknown.
        </p>
        <button type="button" class="danger" onClick={() => void deleteIt(integration, etag)}>
          Delete integration {id} …
        </button>
      </Section>
    </>
  )
}

/** What is written again: all but the id, which stands in the path. */
function valuesOf({ id: _id, ...values }: Integration) {
  return values
}

async function deleteIt({ id, name, external_id }: Integration, etag: string): Promise<void> {
  const isMeant = await confirm({
    title: `Delete integration ${id}?`,
    text: (
      <p>
        {name || external_id} is gone with its links and linked identities. There is no way back but to make it again.
      </p>
    ),
    act: `Delete integration ${id}`,
    isDangerous: true,
  })
  if (!isMeant) return
  try {
    await remove(`/api/integrations/${id}`, { headers: { 'If-Match': etag } })
    notify(`Integration ${id} is deleted`)
    go(href('directory'))
  } catch (error) {
    notifyFailure(`Integration ${id} is not deleted`, asApiError(error))
  }
}

/** Whom it serves; links are made, put aside and taken away. */
function Organizations({ of: installation, onChange }: { of: Installation; onChange: () => void }) {
  const { integration, organizations, links } = installation
  const served = servedBy(integration, organizations, links)
  const [added, setAdded] = useState('')
  useFocusKept(links)

  async function change(text: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
      notify(text)
      onChange()
    } catch (error) {
      notifyFailure('The link is as it was', asApiError(error))
    }
  }

  const pathOf = (organization: string) => `/api/organization-integrations/${integration.id}/${organization}`

  function turn({ organization_id: organization, status }: Link): void {
    const to = status === 'active' ? 'disabled' : 'active'
    void change(`The link to organization ${organization} is ${to}`, () => put(pathOf(organization), { status: to }))
  }

  async function unlink({ organization: { id, slug } }: Served): Promise<void> {
    const isMeant = await confirm({
      title: `Unlink ${slug}?`,
      text: <p>Webhooks of this integration no longer go to organization {id}. Both stay as they are.</p>,
      act: `Unlink ${slug}`,
      isDangerous: true,
    })
    if (isMeant) await change(`${slug} is unlinked`, () => remove(pathOf(id)))
  }

  return (
    <>
      {served.length === 0 ? (
        <Empty>It is linked to no organization.</Empty>
      ) : (
        <Table
          label="Organizations and their links"
          columns={[
            {
              name: 'Organization',
              cell: ({ organization: { id, slug } }: Served) => (
                <a href={href('directory', 'organizations', id)}>
                  {id} {slug}
                </a>
              ),
            },
            { name: 'Name', cell: ({ organization: { name } }: Served) => name },
            {
              name: 'Region',
              cell: ({ organization: { region, held } }: Served) => `${region}${held ? ', held' : ''}`,
            },
            {
              name: 'Served',
              cell: ({ whyNot }: Served) =>
                whyNot === undefined ? <Mark tone="good">yes</Mark> : <Mark tone="quiet">no, {whyNot}</Mark>,
            },
            {
              name: 'Link',
              cell: (one: Served) => (
                <span class="actions">
                  <button
                    type="button"
                    aria-label={`${one.link.status === 'active' ? 'Disable' : 'Enable'} the link to ${one.organization.slug}`}
                    onClick={() => turn(one.link)}
                  >
                    {one.link.status === 'active' ? 'Disable' : 'Enable'}
                  </button>
                  <button type="button" aria-label={`Unlink ${one.organization.slug}`} onClick={() => void unlink(one)}>
                    Unlink …
                  </button>
                </span>
              ),
            },
          ]}
          rows={served}
          rowKey={({ organization }) => organization.id}
        />
      )}
      <form
        class="filters link-form"
        aria-label="Link an organization"
        onSubmit={(event) => {
          event.preventDefault()
          void change(`Organization ${added} is linked`, () => put(pathOf(added), { status: 'active' }))
          setAdded('')
        }}
      >
        <label class="field">
          <span>Organization id</span>
          <input
            class="short"
            inputMode="numeric"
            pattern="[0-9]+"
            title="Digits"
            required
            value={added}
            onInput={({ currentTarget }) => setAdded(currentTarget.value)}
          />
        </label>
        <button type="submit">Link it</button>
      </form>
    </>
  )
}
