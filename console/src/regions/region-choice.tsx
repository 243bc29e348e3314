import { get, type Page } from '../api.ts'
import { Choice, Field } from '../parts/field.tsx'
import type { RegionNow } from '../shapes.ts'
import { useResource } from '../use-resource.ts'

/** One of the regions that there are, or any; without an answer there is only what the address names. */
export function RegionChoice({ given }: { given: string | undefined }) {
  const { data } = useResource((signal) => get<Page<RegionNow>>('/api/regions', {}, { signal }))
  return (
    <Field name="Region">
      <Choice name="region" given={given} among={data?.items.map(({ name }) => name) ?? []} />
    </Field>
  )
}
