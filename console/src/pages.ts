import type { ComponentType } from 'preact'
import type { Place } from './router.ts'

/** What a page is given: where the console is, so that one page can show a list and one thing of it. */
export interface PageProps {
  readonly place: Place
}

export interface PageEntry {
  /** The first part of its address; the start page has none. */
  readonly at: string
  readonly name: string
  readonly load: () => Promise<{ readonly default: ComponentType<PageProps> }>
}

/** Every page, in the order of the navigation. */
export const pages: readonly PageEntry[] = [
  { at: '', name: 'Live', load: () => import('./pages/live.tsx') },
  { at: 'deliveries', name: 'Deliveries', load: () => import('./pages/deliveries.tsx') },
  { at: 'regions', name: 'Regions', load: () => import('./pages/regions.tsx') },
  { at: 'mailboxes', name: 'Mailboxes', load: () => import('./pages/mailboxes.tsx') },
  { at: 'dead-letters', name: 'Dead letters', load: () => import('./pages/dead-letters.tsx') },
  { at: 'directory', name: 'Directory', load: () => import('./pages/directory.tsx') },
  { at: 'explain', name: 'Explain', load: () => import('./pages/explain.tsx') },
  { at: 'health', name: 'Slack health', load: () => import('./pages/health.tsx') },
  { at: 'shed', name: 'Shed rules', load: () => import('./pages/shed.tsx') },
  { at: 'audit', name: 'Audit', load: () => import('./pages/audit.tsx') },
]
