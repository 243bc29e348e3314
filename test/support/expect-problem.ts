import { expect } from 'vitest'
import type { TestReply } from './test-gateway.ts'

/** The reply is a problem document of this status and code that says nothing of the inside. */
export function expectProblem(reply: TestReply, status: number, code: string, fields: Record<string, unknown> = {}) {
  expect({ status: reply.status, ...parsed(reply) }).toMatchObject({ status, code, ...fields })
  expect(reply.headers['content-type']).toBe('application/problem+json')
  expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
  expect(reply.text).not.toMatch(/127\.0\.0\.1|localhost|\.ts:|node:|a-signing-secret/)
}

function parsed(reply: TestReply): Record<string, unknown> {
  const problem = reply.json() as Record<string, unknown>
  // RFC 9457: the status in the document is advisory, and must be the one it came with.
  expect(problem['status']).toBe(reply.status)
  return problem
}
