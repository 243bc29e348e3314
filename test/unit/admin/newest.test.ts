import { describe, expect, it } from 'vitest'
import { keepNewest } from '../../../src/admin/stream/newest.ts'
import type { Happened } from '../../../src/telemetry/webhook-record.ts'

describe('the newest deliveries', () => {
  it('leave out what cannot be put into words, and say so', () => {
    const newest = keepNewest()
    newest.add({} as unknown as Happened)
    expect(newest.take()).toEqual({ items: [], left_out: 1 })
  })
})
