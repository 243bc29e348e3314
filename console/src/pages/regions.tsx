import { PageHead } from '../parts/section.tsx'

export default function Page() {
  return <PageHead title="Regions" />
}
