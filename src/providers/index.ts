import type { ProviderDefinition } from '../provider.ts'
import { slack } from './slack/index.ts'

/** Every provider there is. A new one adds its folder and its line here. */
export const providers: readonly [ProviderDefinition, ...ProviderDefinition[]] = [slack]
