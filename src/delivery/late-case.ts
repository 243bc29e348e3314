import { z } from 'zod'
import type { Id } from '../directory/directory.ts'
import type { LateMessage } from '../provider.ts'
import { framed, unframed } from '../spool/framed.ts'
import { pack, unpack, type Kept } from './kept.ts'

/** A region of a webhook whose answer is owed, and what it is told of the organizations there. */
export interface AskedRegion {
  readonly name: string
  readonly organizations: readonly { readonly id: Id; readonly epoch: number }[]
}

/** All it takes to ask again and to know where the answer goes. */
export interface LateCase {
  readonly provider: string
  readonly integration: Id
  /** A bearer secret: whoever knows it can speak there. Never in a log, an error or a counter. */
  readonly to: string
  readonly kept: Kept
  readonly regions: readonly AskedRegion[]
}

/**
 * What each of the two texts of an owed answer is sealed for, beside the delivery. No region is called so, nor does
 * anything else seal for these: what is to be said cannot take the place of what was asked, nor a mailbox's row of
 * either.
 */
export const SEALED_FOR = { request: '#request', message: '#message' } as const

const writtenCase = z.object({
  provider: z.string(),
  integration: z.string(),
  to: z.string(),
  regions: z.array(
    z.object({ name: z.string(), organizations: z.array(z.object({ id: z.string(), epoch: z.number() })) }),
  ),
})

export function packCase({ provider, integration, to, regions, kept }: LateCase): Buffer {
  const fields: z.input<typeof writtenCase> = {
    provider,
    integration,
    to,
    regions: regions.map(({ name, organizations }) => ({
      name,
      organizations: organizations.map(({ id, epoch }) => ({ id, epoch })),
    })),
  }
  return framed(fields, pack(kept))
}

/** @throws where the bytes are not what `packCase` makes. */
export function unpackCase(buffer: Buffer): LateCase {
  const { description, bytes: rest } = unframed(buffer)
  return { ...writtenCase.parse(description), kept: unpack(rest) }
}

const writtenMessage = z.object({ contentType: z.string() })

export function packMessage({ contentType, body }: LateMessage): Buffer {
  return framed({ contentType }, body)
}

/** @throws where the bytes are not what `packMessage` makes. */
export function unpackMessage(buffer: Buffer): LateMessage {
  const { description, bytes: rest } = unframed(buffer)
  return { ...writtenMessage.parse(description), body: rest }
}
