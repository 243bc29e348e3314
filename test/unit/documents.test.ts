import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const checkout = join(import.meta.dirname, '../..')
const documents = [
  'README.md',
  'bench/README.md',
  ...readdirSync(join(checkout, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

const textOf = (path: string) => readFileSync(join(checkout, path), 'utf8')
const withoutCode = (text: string) => text.replaceAll(/^ *```.*?^ *```$/gms, '')

/** As GitHub names them: lower case, without punctuation, a hyphen for each blank. */
function anchorsOf(path: string): string[] {
  return [...withoutCode(textOf(path)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** What a document leads to in this repository: a path from its root, and perhaps a heading there. */
function linksOf(path: string): { target: string; anchor: string | undefined }[] {
  return [...withoutCode(textOf(path)).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].map(
    ([, to = '', anchor]) => ({
      target: to === '' ? path : relative(checkout, join(checkout, dirname(path), to)),
      anchor,
    }),
  )
}

describe('the documents', () => {
  it.each(documents)('%s leads to files and headings that there are', (path) => {
    const links = linksOf(path)
    const isThere = (path: string) => existsSync(join(checkout, path))
    expect(links.filter(({ target }) => !isThere(target))).toEqual([])
    expect(links.filter(({ target, anchor }) => anchor !== undefined && !anchorsOf(target).includes(anchor))).toEqual(
      [],
    )
  })

  it('are all led to from the README', () => {
    const led = linksOf('README.md').map(({ target }) => target)
    expect(documents.filter((path) => path !== 'README.md' && !led.includes(path))).toEqual([])
  })
})
