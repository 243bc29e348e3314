/** What the admin API answers, as its schemas say it: types only, so that nothing of the gateway comes into the page. */
export type { AuditEntryOut as AuditEntry } from '../../src/admin/audit-routes.ts'
export type { DeliveryListing } from '../../src/admin/delivery-routes.ts'
export type {
  IntegrationOut as Integration,
  LinkOut as Link,
  OrganizationOut as Organization,
} from '../../src/admin/directory-rows.ts'
export type { DeadLetterOut as DeadLetter, MailboxNow } from '../../src/admin/mailbox-routes.ts'
export type { RegionNow } from '../../src/admin/regions-routes.ts'
export type { SecretNow } from '../../src/admin/secrets-routes.ts'
export type { ShedOut as ShedList } from '../../src/admin/shed-routes.ts'
export type { Explanation } from '../../src/explain/explanation.ts'
export type { Delivery } from '../../src/records/told.ts'
