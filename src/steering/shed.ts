import { z } from 'zod'
import { readId } from '../directory/id.ts'
import type { Id } from '../directory/directory.ts'

/** How long a provider is asked to wait where its rule says nothing: Slack's own retries come at 0, 1 and 5 minutes. */
const RETRY_AFTER_SECONDS = 60

const whose = {
  provider: z.string().min(1).max(64).describe('The provider whose events these are.'),
  integration_id: z
    .union([z.int().positive().transform(String), z.string()])
    .transform((text, context): Id => {
      const id = readId(text)
      if (id !== undefined) return id
      context.addIssue('must be a whole number from 1, as a number or as digits')
      return z.NEVER
    })
    .exactOptional()
    .describe('Just this integration; absent: every one of the provider.'),
}

/** Events that are not wanted for now. What somebody waits for, such as a command or a click, is never shed. */
export const shedRule = z.discriminatedUnion('answer', [
  z
    .strictObject({ ...whose, answer: z.literal('ok') })
    .describe('Answered as if all were well, and thrown away: the provider does not send it again.'),
  z
    .strictObject({
      ...whose,
      answer: z.literal('too_many_requests'),
      retry_after_seconds: z
        .int()
        .min(1)
        .max(86_400)
        .default(RETRY_AFTER_SECONDS)
        .describe('The `Retry-After` of the answer.'),
    })
    .describe('Answered 429, so that the provider may send it again.'),
])

/** Each rule stands alone: two of the same provider and integration would contradict or repeat each other. */
export const shedRules = z
  .array(shedRule)
  .max(1000)
  .superRefine((rules, context) => {
    for (const [index, { provider, integration_id: id }] of rules.entries()) {
      const first = rules.findIndex((other) => other.provider === provider && other.integration_id === id)
      if (first < index)
        context.addIssue({ code: 'custom', path: [index], message: `repeats whose rules[${first}] is` })
    }
  })

export type ShedRule = Readonly<z.output<typeof shedRule>>

/** The rule for every event of a provider: known before anything is looked up. */
export function shedByProvider(rules: readonly ShedRule[], provider: string): ShedRule | undefined {
  return rules.find((rule) => rule.provider === provider && rule.integration_id === undefined)
}

export function shedByIntegration(
  rules: readonly ShedRule[],
  { provider, id }: { readonly provider: string; readonly id: Id },
): ShedRule | undefined {
  return rules.find((rule) => rule.provider === provider && rule.integration_id === id)
}
