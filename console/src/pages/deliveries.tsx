import { DeliveryList } from '../deliveries/list.tsx'
import { OneDelivery } from '../deliveries/one.tsx'
import '../deliveries/deliveries.css'
import type { PageProps } from '../pages.ts'
import { useArrival } from '../use-arrival.ts'

/** What happened to a webhook: find it, and see. */
export default function Page({ place }: PageProps) {
  const [, id] = place.parts
  useArrival(id === undefined ? 'Deliveries' : `Delivery ${id}`, id ?? '')
  return id === undefined ? <DeliveryList place={place} /> : <OneDelivery key={id} id={id} />
}
