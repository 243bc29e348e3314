import type { ForwardedRequest } from '../region-kit/index.ts'

export interface Answer {
  readonly status: number
  readonly contentType?: 'json' | 'html'
  readonly body?: string
}

/** What a product's region says to a request that `regionMiddleware` has let through. */
export function answerTo(region: string, req: ForwardedRequest): Answer {
  const whose = organizationsOf(req)
  if (/^\/extensions\/slack\/(?:un)?link-team\//.test(req.url ?? '')) return page(region, whose)
  // Commands are flat form fields, interactions a form with one JSON field, events JSON.
  if (req.headers['content-type']?.startsWith('application/json') === true) return { status: 200 }
  const form = new URLSearchParams(req.body.toString('utf8'))
  const payload = form.get('payload')
  if (payload === null) return commandMessage(region, whose, form)
  switch (typeOf(payload)) {
    case 'view_submission':
      return json({ response_action: 'clear' })
    case 'block_suggestion':
      return json({ options: ['Wanda', 'Juma'].map((person) => option(`${person} in ${region}`)) })
    case undefined:
      return { status: 400 }
    default:
      return { status: 200 }
  }
}

function organizationsOf({ silo }: ForwardedRequest): string {
  const { organizations } = silo
  if (organizations === '*') return 'all its organizations'
  return `organization${organizations.length === 1 ? '' : 's'} ${organizations.join(', ')}`
}

function commandMessage(region: string, whose: string, form: URLSearchParams): Answer {
  const typed = [form.get('command'), form.get('text')].filter(Boolean).join(' ')
  return json({ response_type: 'ephemeral', text: `${region} got ${typed} for ${whose}` })
}

/** https://docs.slack.dev/reference/block-kit/composition-objects/option-object */
function option(text: string) {
  return { text: { type: 'plain_text', text }, value: text }
}

function page(region: string, whose: string): Answer {
  const body = `<!doctype html><html lang="en"><title>Team link</title><p>${region} takes this team on for ${whose}.</p></html>`
  return { status: 200, contentType: 'html', body }
}

function json(body: object): Answer {
  return { status: 200, contentType: 'json', body: JSON.stringify(body) }
}

function typeOf(payload: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(payload)
    if (typeof parsed !== 'object' || parsed === null || !('type' in parsed)) return undefined
    return typeof parsed.type === 'string' ? parsed.type : undefined
  } catch {
    return undefined
  }
}
