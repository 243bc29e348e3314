/** What the admin API answers, as its schemas say it: types only, so that nothing of the gateway comes into the page. */
import type { Standing } from '../../src/admin/stream/stream-routes.ts'

export type { AuditEntryOut as AuditEntry } from '../../src/admin/audit-routes.ts'
export type { DeliveryListing } from '../../src/admin/delivery-routes.ts'
export type {
  IntegrationOut as Integration,
  LinkOut as Link,
  OrganizationOut as Organization,
} from '../../src/admin/directory-rows.ts'
export type { DeadLetterOut as DeadLetter, MailboxNow } from '../../src/admin/mailbox-routes.ts'
export type { ProviderHealthOut as ProviderHealth } from '../../src/admin/provider-health-routes.ts'
export type { RegionNow } from '../../src/admin/regions-now.ts'
export type { SecretNow } from '../../src/admin/secrets-routes.ts'
export type { SessionNow as Session } from '../../src/admin/session-routes.ts'
export type { ShedOut as ShedList } from '../../src/admin/shed-routes.ts'
export type { StreamDeliveries as DeliveriesTold, StreamNow as Now } from '../../src/admin/stream/stream-routes.ts'
export type { DemoState } from '../../src/demo/demo-routes.ts'
export type { Condition } from '../../src/demo/faults.ts'
export type { Explanation } from '../../src/explain/explanation.ts'
export type { Delivery } from '../../src/records/told.ts'

/** What the stream tells of a region, which is not all there is of it. */
export type RegionStanding = Standing['regions'][number]
