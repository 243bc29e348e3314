import { Refusal, SiloClientError, type ErrorCode } from '../errors.ts'
import { CallerGone } from '../receive.ts'
import type { LogLevel } from './log.ts'
import type { WebhookRecord } from './webhook-record.ts'

/** How a webhook that got its reply ended. */
export type ReplyEnding =
  /** The control silo answered by itself. */
  | { readonly kind: 'answered_here'; readonly rule: string }
  | { readonly kind: 'unknown_integration' }
  /** The integration is disabled, or no active organization uses it. */
  | { readonly kind: 'inactive' }
  /** An operator does not want such events for now. */
  | { readonly kind: 'shed' }
  /** By this region's reply. */
  | { readonly kind: 'passed_on'; readonly region: string }
  /** No region could answer, and a message says so to a user. */
  | { readonly kind: 'told_failure' }
  /** It is on disk, and is delivered when the regions take it. */
  | { readonly kind: 'spooled' }
  /** An answer is owed, and posted when a region gives one. */
  | { readonly kind: 'late' }
  /** It came before, and gets what that one gets. */
  | { readonly kind: 'duplicate'; readonly of: 'running' | 'answered' }

/** How one ended that got an error, or nothing. */
export type FailureEnding =
  | { readonly kind: 'refused'; readonly code: ErrorCode }
  | { readonly kind: 'silo_client_error' }
  | { readonly kind: 'caller_gone' }
  | { readonly kind: 'internal_error'; readonly error: unknown }

/** Every webhook ends in exactly one way. */
export type Ending = ReplyEnding | FailureEnding

/** The ending that something thrown on the journey is. */
export function endingOf(failure: unknown): FailureEnding | { readonly kind: 'shed' } {
  if (failure instanceof Refusal && failure.code === 'shed') return { kind: 'shed' }
  if (failure instanceof Refusal) return { kind: 'refused', code: failure.code }
  if (failure instanceof SiloClientError) return { kind: 'silo_client_error' }
  return failure instanceof CallerGone ? { kind: 'caller_gone' } : { kind: 'internal_error', error: failure }
}

/** The ending as one stable word: a rule, an error's code, or its kind. */
export function outcomeOf(ending: Ending): string {
  switch (ending.kind) {
    case 'answered_here':
      return ending.rule
    case 'refused':
      return ending.code
    case 'unknown_integration':
    case 'inactive':
    case 'shed':
    case 'passed_on':
    case 'told_failure':
    case 'spooled':
    case 'late':
    case 'duplicate':
    case 'silo_client_error':
    case 'caller_gone':
    case 'internal_error':
      return ending.kind
  }
}

/** What a record tells of it besides: the rule, the region whose reply it was, or the code. */
export function detailOf(ending: Ending): Pick<WebhookRecord, 'rule' | 'answeredFrom' | 'code'> {
  switch (ending.kind) {
    case 'answered_here':
      return { rule: ending.rule }
    case 'inactive':
    case 'shed':
      return { rule: ending.kind }
    case 'passed_on':
      return { answeredFrom: ending.region }
    case 'refused':
      return { code: ending.code }
    case 'silo_client_error':
    case 'caller_gone':
    case 'internal_error':
      return { code: ending.kind }
    case 'unknown_integration':
    case 'told_failure':
    case 'spooled':
    case 'late':
    case 'duplicate':
      return {}
  }
}

/** How loudly it is to be told: an error where users saw one that is not theirs, a warning where somebody went without. */
export function levelOf(ending: Ending): LogLevel {
  switch (ending.kind) {
    case 'answered_here':
    case 'inactive':
    case 'shed':
    case 'passed_on':
    case 'duplicate':
    case 'spooled':
      return 'info'
    case 'unknown_integration':
    case 'told_failure':
    case 'late':
    case 'refused':
    case 'caller_gone':
      return 'warn'
    case 'silo_client_error':
    case 'internal_error':
      return 'error'
  }
}
