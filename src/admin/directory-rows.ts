import { z } from 'zod'
import type { Integration, Organization } from '../directory/directory.ts'
import type { Link, OrganizationToWrite } from '../directory/edit.ts'
import type { Identity } from '../directory/identities.ts'
import { label, status, word } from '../directory/row-fields.ts'
import { id, idOut } from './fields.ts'

/*
 * The directory's rows in JSON, as the import file has them: what is read can be written again as it is.
 */

export const integrationIn = z.strictObject({
  id: id.optional().describe('If it is given, that of the path.'),
  provider: word,
  app_id: z.union([word, z.literal('')]).nullish(),
  external_id: word,
  enterprise_id: word.nullish(),
  default_organization_id: id.nullish(),
  name: label.default(''),
  status: status.default('active'),
})

export const integrationOut = z.object({
  id: idOut,
  provider: z.string(),
  app_id: z.string().nullable(),
  external_id: z.string(),
  enterprise_id: z.string().nullable(),
  default_organization_id: idOut.nullable(),
  name: z.string(),
  status,
})

export const organizationIn = z.strictObject({
  id: id.optional().describe('If it is given, that of the path.'),
  slug: word,
  name: label.default(''),
  region: word.describe('Another one than before moves the organization, and what waits for it.'),
  status: status.default('active'),
  epoch: z.int().nonnegative().optional().describe('Not taken over: moving counts it up.'),
  held: z
    .boolean()
    .optional()
    .describe('While it is true, nothing is sent for it: its events wait. If it is not given, as it was.'),
})

export const organizationOut = z.object({
  id: idOut,
  slug: z.string(),
  name: z.string(),
  region: z.string(),
  status,
  epoch: z.int().describe('How often it has moved.'),
  held: z.boolean(),
})

export const linkIn = z.strictObject({
  integration_id: id.optional().describe('If it is given, that of the path.'),
  organization_id: id.optional().describe('If it is given, that of the path.'),
  status: status.default('active'),
})

export const linkOut = z.object({ integration_id: idOut, organization_id: idOut, status })

export const identityOut = z.object({
  integration_id: idOut,
  external_user_id: z.string().describe("The provider's user."),
  user: z.string().describe('The person, as the trusted proxy named them.'),
})

export type IntegrationOut = z.output<typeof integrationOut>
export type OrganizationOut = z.output<typeof organizationOut>
export type LinkOut = z.output<typeof linkOut>

export function integrationFrom(id: string, row: z.output<typeof integrationIn>): Integration {
  return {
    id,
    provider: row.provider,
    appId: row.app_id ?? '',
    externalId: row.external_id,
    enterpriseId: row.enterprise_id ?? undefined,
    defaultOrganizationId: row.default_organization_id ?? undefined,
    name: row.name,
    status: row.status,
  }
}

export function integrationJson(row: Integration): IntegrationOut {
  return {
    id: row.id,
    provider: row.provider,
    app_id: row.appId === '' ? null : row.appId,
    external_id: row.externalId,
    enterprise_id: row.enterpriseId ?? null,
    default_organization_id: row.defaultOrganizationId ?? null,
    name: row.name,
    status: row.status,
  }
}

export function organizationFrom(
  id: string,
  { slug, name, region, status, held }: z.output<typeof organizationIn>,
): OrganizationToWrite {
  return { id, slug, name, region, status, held }
}

export function organizationJson(row: Organization): OrganizationOut {
  const { id, slug, name, region, status, epoch, held } = row
  return { id, slug, name, region, status, epoch, held }
}

export function linkJson({ integrationId, organizationId, status }: Link): LinkOut {
  return { integration_id: integrationId, organization_id: organizationId, status }
}

export function identityJson({ integrationId, externalUserId, user }: Identity): z.output<typeof identityOut> {
  return { integration_id: integrationId, external_user_id: externalUserId, user }
}
