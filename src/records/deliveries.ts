import type { RecordPage, RecordStore } from './record-store.ts'
import type { Recorder } from './recorder.ts'
import { deliveryFrom, type Delivery } from './told.ts'

/** The records of deliveries, with what this gateway has not written yet. All reject when the database cannot be asked. */
export interface Deliveries {
  readonly list: (...asked: Parameters<RecordStore['list']>) => Promise<RecordPage>
  /** Undefined: nothing is recorded of it, or not any more. */
  readonly read: (delivery: string) => Promise<Delivery | undefined>
  /** Removes what is recorded of an integration; returns how many records. */
  readonly erase: (...asked: Parameters<RecordStore['erase']>) => Promise<number>
}

export function openDeliveries(
  store: Pick<RecordStore, 'list' | 'read' | 'erase'>,
  recorder: Pick<Recorder, 'flush'>,
): Deliveries {
  return {
    async list(...asked) {
      await recorder.flush()
      return await store.list(...asked)
    },
    async read(delivery) {
      await recorder.flush()
      const stored = await store.read(delivery)
      return stored && deliveryFrom(stored)
    },
    async erase(...asked) {
      await recorder.flush()
      return (await store.erase(...asked)).removed
    },
  }
}
