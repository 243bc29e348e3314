import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const checkout = join(import.meta.dirname, '../..')

// The reference region and the demo play Slack's game from the other side, so they may speak of it.
const namesNoProvider = globSync('src/**/*.ts', { cwd: checkout }).filter(
  (file) => !/^src\/(?:providers|region|demo)\//.test(file),
)

/** Words of the core that name a provider, and why they may. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  // What the demo does, said in --help.
  'src/cli/program.ts': ['a gateway, three regions and a Slack that signs, all on loopback'],
}

/** Identifiers, texts and regular expressions that name a provider; comments may. */
function providerNames(file: string, source: string): string[] {
  const names: string[] = []
  const visit = (node: ts.Node): void => {
    const leaf = ts.isIdentifier(node) || ts.isLiteralExpression(node) || ts.isTemplateMiddleOrTemplateTail(node)
    if ((leaf || ts.isTemplateHead(node)) && /slack/i.test(node.text)) names.push(node.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest))
  return names
}

describe('the core', () => {
  it('is found', () => {
    expect(namesNoProvider).toEqual(expect.arrayContaining(['src/handle-webhook.ts', 'src/dispatch/dispatch.ts']))
  })

  it.each(namesNoProvider)('knows no provider by name: %s', (file) => {
    expect(providerNames(file, readFileSync(join(checkout, file), 'utf8'))).toEqual(allowed[file] ?? [])
  })

  it.each([
    ['an identifier', 'const slackUser = 1'],
    ['a property', 'request.slackUser()'],
    ['a text', "const name = 'slack'"],
    ['a template', 'const path = `/${door}/slack`'],
    ['a regular expression', String.raw`const path = /^\/slack\//`],
    ['an import', "import type { SlackRequest } from './request.ts'"],
  ])('would be caught naming one in %s', (_where, source) => {
    expect(providerNames('a.ts', source)).toHaveLength(1)
  })
})
