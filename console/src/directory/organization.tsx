import { useState } from 'preact/hooks'
import { get, getAll, getTagged, queryText, remove, type Page } from '../api.ts'
import { counted } from '../format.ts'
import { confirm } from '../parts/confirm.tsx'
import { Mark } from '../parts/mark.tsx'
import { notify, notifyFailure } from '../parts/notices.tsx'
import { PageHead, Section } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { go, href } from '../router.ts'
import type { Integration, Organization, RegionNow } from '../shapes.ts'
import { asApiError, useResource } from '../use-resource.ts'
import { isMoveMeant, MoveWarning } from './move.tsx'
import { RowForm, type RowField } from './row-form.tsx'

/** What a change of an organization answers: the row, and what came of moving it. */
export type SavedOrganization = Organization & {
  readonly warnings?: readonly string[]
  readonly moved_deliveries?: number
}

export function organizationFields(regions: readonly string[]): readonly RowField[] {
  return [
    { name: 'slug', label: 'Slug', kind: 'text', isRequired: true },
    { name: 'name', label: 'Name', kind: 'text' },
    { name: 'region', label: 'Region', kind: regions, hint: 'Another one moves the organization.' },
    { name: 'status', label: 'Status', kind: ['active', 'disabled'] },
    { name: 'held', label: 'Held: nothing is sent for it, its events wait', kind: 'flag' },
  ]
}

/** One organization: where it lives, who leads there, and what can be changed of it. */
export function OrganizationPage({ id }: { id: string }) {
  const { data, error, reload } = useResource(
    async (signal) => {
      const [{ row, etag }, integrations, regions] = await Promise.all([
        getTagged<Organization>(`/api/organizations/${encodeURIComponent(id)}`, { signal }),
        getAll<Integration>('/api/integrations', { organization_id: id }, { signal }),
        get<Page<RegionNow>>('/api/regions', {}, { signal }),
      ])
      return { row, etag, integrations, regions: regions.items }
    },
    { key: id },
  )
  const [told, setTold] = useState<readonly string[]>([])
  if (data === undefined) {
    return (
      <>
        <PageHead title={`Organization ${id}`} />
        {error === undefined ? <Loading what="the organization" /> : <Failure error={error} retry={reload} />}
      </>
    )
  }
  const { row, etag, integrations, regions } = data
  return (
    <>
      <PageHead
        title={`Organization ${id} · ${row.slug}`}
        actions={
          <a class="button" href={href('deliveries') + queryText({ organization_id: id })}>
            Its deliveries
          </a>
        }
      >
        {row.name || row.slug} lives in {row.region}
        {row.epoch > 0 && `, and has moved ${counted(row.epoch, 'time')}`} ·{' '}
        {row.held ? (
          <Mark tone="wait">held: nothing is sent for it</Mark>
        ) : (
          <Mark tone={row.status === 'active' ? 'good' : 'quiet'}>{row.status}</Mark>
        )}
      </PageHead>
      <Section title="Integrations that lead to it">
        <Integrations rows={integrations} />
      </Section>
      <Section title="Change it">
        <RowForm<SavedOrganization>
          key={etag}
          what={`organization ${id}`}
          path={`/api/organizations/${id}`}
          fields={organizationFields(regions.filter(({ file_state }) => file_state !== null).map(({ name }) => name))}
          row={valuesOf(row)}
          etag={etag}
          isMeant={(values, before) => isMoveMeant(row.slug, values, before)}
          aside={(values, before) => <MoveWarning values={values} before={before} regions={regions} />}
          onSaved={(saved) => {
            setTold(outcomeOf(saved, row))
            reload()
          }}
        />
        <div class="told" role="status">
          {told.map((line) => (
            <p key={line}>{line}</p>
          ))}
        </div>
      </Section>
      <Section title="Delete it">
        <p class="hint">With its links: webhooks no longer go to it.</p>
        <button type="button" class="danger" onClick={() => void deleteIt(row, etag)}>
          Delete organization {id} …
        </button>
      </Section>
    </>
  )
}

/** What is written again: the epoch is never given, moving counts it up. */
function valuesOf({ id: _id, epoch: _epoch, ...values }: Organization) {
  return values
}

function outcomeOf({ slug, region, moved_deliveries: moved, warnings = [] }: SavedOrganization, before: Organization) {
  return [
    region === before.region ? `${slug} is saved.` : `${slug} lives in ${region} now.`,
    ...(moved === undefined ? [] : [`${counted(moved, 'waiting delivery has', 'waiting deliveries have')} followed.`]),
    ...warnings.map((warning) => `Mind: ${warning}.`),
  ]
}

function Integrations({ rows }: { rows: readonly Integration[] }) {
  if (rows.length === 0) return <Empty>None: no webhook ever comes for it.</Empty>
  return (
    <Table
      label="Integrations and their workspaces"
      columns={[
        {
          name: 'Integration',
          cell: ({ id, name }: Integration) => (
            <a href={href('directory', 'integrations', id)}>
              {id} {name}
            </a>
          ),
        },
        { name: 'Workspace or enterprise', cell: ({ external_id }: Integration) => external_id },
        { name: 'App', cell: ({ app_id }: Integration) => app_id ?? 'any' },
        { name: 'Status', cell: ({ status }: Integration) => status },
      ]}
      rows={rows}
      rowKey={({ id }) => id}
    />
  )
}

async function deleteIt({ id, slug }: Organization, etag: string): Promise<void> {
  const isMeant = await confirm({
    title: `Delete organization ${id}?`,
    text: <p>{slug} is gone with its links: webhooks no longer go to it. There is no way back but to make it again.</p>,
    act: `Delete organization ${id}`,
    isDangerous: true,
  })
  if (!isMeant) return
  try {
    await remove(`/api/organizations/${id}`, { headers: { 'If-Match': etag } })
    notify(`Organization ${id} is deleted`)
    go(href('directory'))
  } catch (error) {
    notifyFailure(`Organization ${id} is not deleted`, asApiError(error))
  }
}
