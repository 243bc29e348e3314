import { signal } from '@preact/signals'

/** Where the console is: `#/deliveries/01J?tab=raw` is `['deliveries', '01J']` and its query. */
export interface Place {
  readonly parts: readonly string[]
  readonly query: URLSearchParams
}

export const place = signal<Place>(placeIn(location.hash))

addEventListener('hashchange', () => {
  place.value = placeIn(location.hash)
})

/** The address of a page, for a link: `href('deliveries', id)`. */
export function href(...parts: readonly string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`
}

/** Goes to a page; `replace` leaves no step back, as for a filter that is being typed. */
export function go(to: string, { replace = false } = {}): void {
  if (!replace) {
    location.hash = to
    return
  }
  history.replaceState(null, '', to)
  place.value = placeIn(to)
}

function placeIn(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s)
  return { parts: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(query) }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
