import type { z } from 'zod'
import type { ProviderDefinition } from '../provider.ts'

/** Ties the types of what `create` is given to the schemas beside it. */
export function defineProvider<Environment extends z.ZodObject, Rules extends z.ZodType>(
  definition: ProviderDefinition<Environment, Rules>,
): ProviderDefinition<Environment, Rules> {
  return definition
}
