import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { catalogue } from '../../src/errors.ts'

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')

describe('the README', () => {
  it('lists every error code with its status and step, and no other', () => {
    const rows = [
      ...readme.matchAll(/^\| `([a-z_]+)` +\| ([\d, ]+?) +\| (receive|identify|resolve|dispatch|admin|respond) +\|$/gm),
    ]
    const listed = rows.map(([, code, status, stage]) => ({ code, status, stage }))
    const known = Object.entries(catalogue).map(([code, { status, stage }]) => ({
      code,
      status: code === 'silo_client_error' ? '502, 503, 504' : String(status),
      stage,
    }))
    expect(listed).toEqual(known)
  })
})
