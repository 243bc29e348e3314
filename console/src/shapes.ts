/** What the admin API answers, as its schemas say it: types only, so that nothing of the gateway comes into the page. */
export type { DeliveryListing } from '../../src/admin/delivery-routes.ts'
export type { RegionNow } from '../../src/admin/regions-routes.ts'
export type { SecretNow } from '../../src/admin/secrets-routes.ts'
export type { Delivery } from '../../src/records/told.ts'
