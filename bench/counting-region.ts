/*
 * A fast region that can be away, as a process of its own: takes every event at once, and keeps account of them. Each
 * mailbox's events are numbered from 0; anything else than the next one of its mailbox is held against the gateway.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eventIn } from './slack-event.ts'

export type RegionOrder =
  /** Listens, with an account that begins anew; refused connections before. */
  | { readonly kind: 'come' }
  | { readonly kind: 'go' }
  /** Answered once `events` have come, or none has for `patienceMs`. */
  | { readonly kind: 'await'; readonly events: number; readonly patienceMs: number }

export interface RegionReport {
  readonly port: number
  readonly delivered: number
  readonly again: number
  readonly outOfOrder: number
  /** Milliseconds after the region had come. */
  readonly firstMs: number
  readonly lastMs: number
  /** Delivered in each whole second since it had come. */
  readonly bySecond: readonly number[]
}

let port = 0
let cameAt = 0
let account = newAccount()
let arrived = (): void => {}

function newAccount() {
  return {
    delivered: 0,
    again: 0,
    outOfOrder: 0,
    firstMs: 0,
    lastMs: 0,
    next: new Map<number, number>(),
    bySecond: [0],
  }
}

function take(body: string): void {
  const { mailbox, sequence } = eventIn(body)
  const expected = account.next.get(mailbox) ?? 0
  if (sequence < expected) account.again += 1
  else {
    if (sequence > expected) account.outOfOrder += 1
    account.next.set(mailbox, sequence + 1)
    account.delivered += 1
  }
  account.lastMs = performance.now() - cameAt
  if (account.delivered === 1) account.firstMs = account.lastMs
  const second = Math.floor(account.lastMs / 1000)
  while (account.bySecond.length <= second) account.bySecond.push(0)
  account.bySecond[second]! += 1
  arrived()
}

const server = createServer((req, res) => {
  let body = ''
  req.setEncoding('latin1')
  req.on('data', (chunk: string) => (body += chunk))
  req.on('end', () => {
    take(body)
    res.writeHead(200, { 'Content-Length': 0 }).end()
  })
})

async function obey(order: RegionOrder): Promise<void> {
  switch (order.kind) {
    case 'come':
      account = newAccount()
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      cameAt = performance.now()
      port = (server.address() as AddressInfo).port
      return
    case 'go': {
      const closed = once(server, 'close')
      server.close().closeAllConnections()
      await closed
      return
    }
    case 'await':
      await new Promise<void>((resolve) => {
        const patience = setTimeout(resolve, order.patienceMs)
        arrived = () => {
          if (account.delivered >= order.events) resolve()
          else patience.refresh()
        }
        if (account.delivered >= order.events) resolve()
      })
      arrived = () => {}
  }
}

async function answer(order: RegionOrder): Promise<void> {
  await obey(order)
  const { next: _, ...report } = account
  process.send?.({ port, ...report } satisfies RegionReport)
}

process.on('message', (order: RegionOrder) => void answer(order))
process.on('disconnect', () => process.exit())
