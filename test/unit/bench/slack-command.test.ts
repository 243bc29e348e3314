import { describe, expect, it } from 'vitest'
import { isSigned } from '../../../bench/contenders/verify.ts'
import { slackAction, slackCommand, type SlackForm } from '../../../bench/slack-command.ts'
import { SECRET } from '../../../bench/slack-event.ts'

describe('a slash command of the bench', () => {
  it('is of 400 bytes, or of as many as are asked for', () => {
    expect(slackCommand(1).body).toHaveLength(400)
    expect(slackCommand(123_456).body).toHaveLength(400)
    expect(slackCommand(1, { bytes: 65_536 }).body).toHaveLength(65_536)
  })
})

describe.each([
  ['a command', slackCommand],
  ['an action', slackAction],
])('%s of the bench', (_, form: (number: number) => SlackForm) => {
  it('is signed', () => {
    const { headers, body } = form(1)
    const signature = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))
    expect(isSigned(SECRET, signature, Buffer.from(body))).toBe(true)
    expect(isSigned(SECRET, signature, Buffer.from(`${body}x`))).toBe(false)
  })

  it('is another one for each number', () => {
    expect(new Set(Array.from({ length: 1000 }, (_, number) => form(number).body)).size).toBe(1000)
  })
})
