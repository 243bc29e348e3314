import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDictionary, serializeString } from '../../../src/wire/structured-fields.ts'

/** The members as plain values: an item as its value, an inner list as a list of them, parameters left out. */
function plain(text: string) {
  const members = [...parseDictionary(text)].map(([key, member]) => [
    key,
    member.kind === 'item' ? member.value.value : member.items.map((item) => item.value.value),
  ])
  return Object.fromEntries(members)
}

function whatIsThrown(act: () => unknown): unknown {
  try {
    act()
    return undefined
  } catch (error) {
    return error
  }
}

describe('a dictionary', () => {
  it.each([
    ['', {}],
    ['a=1', { a: 1 }],
    ['a=-999999999999999', { a: -999_999_999_999_999 }],
    ['a=1.5, b=-0.125', { a: 1.5, b: -0.125 }],
    ['a="x y", b="\\"\\\\"', { a: 'x y', b: '"\\' }],
    ['a=tok/en:*, *b=*', { a: 'tok/en:*', '*b': '*' }],
    ['a=?1,b=?0 ,\tc', { a: true, b: false, c: true }],
    ['a=:aGk=:', { a: Buffer.from('hi') }],
    ['a=::', { a: Buffer.alloc(0) }],
    ['a=("x" 1  :aGk=: ), b=()', { a: ['x', 1, Buffer.from('hi')], b: [] }],
    ['a;x;y=2, b=1;x="1"', { a: true, b: 1 }],
    ['  a=1  ', { a: 1 }],
  ])('%j is %j', (text, expected) => {
    expect(plain(text)).toEqual(expected)
  })

  it.each([
    'a=',
    'A=1',
    '=1',
    'a=1,',
    'a=1,,b',
    ',a',
    'a=1 b=2',
    'a=1;',
    'a=1;X=2',
    'a=(',
    'a=("x"',
    'a=("x""y")',
    'a=(1,2)',
    'a="x',
    'a="\\n"',
    'a="\t"',
    'a="ü"',
    'a=?2',
    'a=?',
    'a=1.',
    'a=.5',
    'a=1.2345',
    'a=1.2.3',
    'a=-',
    'a=--1',
    'a=1234567890123456',
    'a=1234567890123.0',
    'a=:aGk=',
    'a=:a Gk=:',
    'a=:aGk:',
    'a=@1',
    'a=\u0000',
    'ä=1',
  ])('is not %j', (text) => {
    expect(() => parseDictionary(text)).toThrow(SyntaxError)
  })

  it('refuses a key twice, for two readers may believe different ones', () => {
    expect(() => parseDictionary('a=1, a=2')).toThrow(SyntaxError)
    expect(() => parseDictionary('a=1;x=1;x=2')).toThrow(SyntaxError)
  })

  it('refuses a second spelling of the same bytes', () => {
    expect(plain('a=:aGk=:')).toEqual({ a: Buffer.from('hi') })
    expect(() => parseDictionary('a=:aGl=:')).toThrow(SyntaxError)
  })

  it('refuses a text that no server would have read', () => {
    expect(() => parseDictionary(`a="${'x'.repeat(20_000)}"`)).toThrow(SyntaxError)
  })

  it('tells integers from decimals and texts from tokens', () => {
    const kinds = [...parseDictionary('a=1, b=1.0, c="x", d=x').values()].map((m) => m.kind === 'item' && m.value.kind)
    expect(kinds).toEqual(['integer', 'decimal', 'string', 'token'])
  })

  it('keeps an inner list as it was written', () => {
    const list = parseDictionary('x=1, a=("b";sf  "c");d=1;e="f" , y=2').get('a')
    expect(list?.kind === 'inner list' && list.text).toBe('("b";sf  "c");d=1;e="f"')
  })

  it('gives back any text that was serialized', () => {
    const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)) })
    fc.assert(
      fc.property(text, (value) => {
        expect(plain(`a=${serializeString(value)}`)).toEqual({ a: value })
      }),
    )
  })

  it('throws nothing but SyntaxError', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-c1-3=:;,"()?\\@. *-]*$/))
    fc.assert(
      fc.property(text, (value) => {
        expect(whatIsThrown(() => parseDictionary(value))).toBeOneOf([undefined, expect.any(SyntaxError)])
      }),
      { numRuns: 300 },
    )
  })
})
