import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RegionReply } from '../../../../src/dispatch/region-result.ts'
import { createSlackRig } from './rig.ts'

const { provider } = createSlackRig()
const JSON_TYPE = 'application/json; charset=utf-8'

function reply(body: string | Uint8Array, headers: readonly string[] = []): RegionReply {
  return { status: 200, rawHeaders: headers, body: Buffer.from(body as string) }
}

/** The message as text; undefined where nothing is said. */
function said(body: string | Uint8Array, ...headers: string[]): string | undefined {
  return provider.lateMessage(reply(body, headers))?.body.toString()
}

const typed = (type: string) => ['Content-Type', type]
const text = (text: string) => JSON.stringify({ text })

describe('what a late reply says', () => {
  it('is JSON by its type, whatever it came as', () => {
    for (const body of ['{"text":"a"}', 'a']) {
      expect(provider.lateMessage(reply(body, typed('text/plain')))).toMatchObject({ contentType: JSON_TYPE })
    }
  })

  it.for([
    'application/json',
    'application/json; charset=utf-8',
    'text/plain',
    'text/html',
    'application/octet-stream',
    '',
  ])('a JSON object of type %j: itself, byte for byte', (type) => {
    for (const object of ['{"text":"Grüße","a":1e400,"a": 12345678901234567890 }', ' {}\n', '{"blocks":[]}']) {
      expect(said(object, ...(type === '' ? [] : typed(type)))).toBe(object)
    }
  })

  it.for(['text/plain', 'text/plain; charset=utf-8', 'TEXT/Markdown', 'text/html; charset=utf-8', ''])(
    'text of type %j: the text',
    (type) => {
      const headers = type === '' ? [] : typed(type)
      for (const words of [
        'Done',
        ' two\nlines ',
        '<@U1> in <#C1>: <https://a.test|a> <!here> 1 < 2',
        '[resolved]',
        '42',
        'null',
      ]) {
        expect(said(words, ...headers)).toBe(text(words))
      }
    },
  )

  it('a JSON text: the text it stands for', () => {
    expect(said('"Gr\\u00fc\\u00dfe"', ...typed('application/json'))).toBe(text('Grüße'))
    expect(said('"a"', ...typed('application/vnd.api+json'))).toBe(text('a'))
  })

  it('a quoted text that is not JSON by its type: the quotes too', () => {
    expect(said('"a"', ...typed('text/plain'))).toBe(text('"a"'))
  })

  it('a byte order mark is not part of it', () => {
    expect(said('\uFEFF{"text":"a"}', ...typed('application/json'))).toBe('{"text":"a"}')
    expect(said('\uFEFFa')).toBe(text('a'))
  })

  it.for([
    ['an empty body', '', 'text/plain'],
    ['blanks', ' \r\n\t', 'text/plain'],
    ['a blank JSON text', '" "', 'application/json'],
    ['an empty JSON text', '""', 'application/json'],
    ['an array', '[{"text":"a"}]', 'application/json'],
    ['an array as text', ' [1]', 'text/plain'],
    ['a JSON number', '42', 'application/json'],
    ['JSON null', 'null', 'application/json'],
    ['JSON true', 'true', 'application/json'],
    ['broken JSON', '{"text":', 'application/json'],
    ['a page', '<!DOCTYPE html><p>Hello', 'text/html'],
    ['a page in lower case', '\n<html>', 'text/html'],
    ['a piece of a page', 'Hello <b>you</b>', 'text/html; charset=utf-8'],
    ['a comment', '<!-- a -->', 'text/html'],
    ['an element with attributes', 'see <a href="/x">x', 'text/html'],
    ['an empty element', 'a<br/>b', 'text/html'],
    ['XML', '<a/>', 'application/xml'],
    ['a form', 'a=b', 'application/x-www-form-urlencoded'],
    ['an image', 'GIF89a', 'image/gif'],
    ['bytes', 'abc', 'application/octet-stream'],
    ['text with a NUL', 'a\0b', 'text/plain'],
    ['two types at once', 'a', 'application/json, text/plain'],
  ] as const)('%s: nothing', ([, body, type]) => {
    expect(said(body, ...typed(type))).toBeUndefined()
  })

  it('what is not UTF-8: nothing', () => {
    for (const bytes of [[0xff], [0x47, 0xfc], [0xc3], [...Buffer.from('{"text":"'), 0xe4, ...Buffer.from('"}')]]) {
      expect(said(Uint8Array.from(bytes), ...typed('text/plain; charset=iso-8859-1'))).toBeUndefined()
    }
  })

  it('whatever comes: nothing, or a JSON object in UTF-8', () => {
    const body = fc.oneof(
      fc.uint8Array(),
      fc.json().map((json) => Buffer.from(json)),
      fc.string({ unit: 'binary' }).map((string) => Buffer.from(string)),
    )
    const type = fc.constantFrom('text/plain', 'text/html', 'application/json', 'image/png', '')
    fc.assert(
      fc.property(body, type, fc.constantFrom('', 'gzip', 'deflate', 'br', 'zstd'), (body, type, coding) => {
        const message = said(body, 'Content-Type', type, 'Content-Encoding', coding)
        expect(JSON.parse(message ?? '{}')).toEqual(expect.any(Object))
      }),
    )
  })

  it('any text there is arrives as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (words) => {
        fc.pre(words.trim() !== '' && !words.includes('\0') && !words.startsWith('\uFEFF') && !/^\s*[[{]/.test(words))
        expect(JSON.parse(said(words, ...typed('text/plain')) ?? '')).toEqual({ text: words })
      }),
    )
  })
})

describe('a compressed late reply', () => {
  const words = Buffer.from('{"text":"Grüße"}')
  const coded = (coding: string, body: Uint8Array) =>
    said(body, 'content-encoding', coding, ...typed('application/json'))

  it.for([
    ['gzip', gzipSync(words)],
    ['X-GZIP', gzipSync(words)],
    ['deflate', deflateSync(words)],
    ['deflate', deflateRawSync(words)],
    ['br', brotliCompressSync(words)],
    ['identity', words],
    ['', words],
    [' identity , gzip', gzipSync(words)],
  ] as const)('by %s says what it says (%#)', ([coding, body]) => {
    expect(coded(coding, body)).toBe(words.toString())
  })

  it.for([
    ['an unknown coding', 'compress', words],
    ['a coding of a coding', 'gzip, gzip', gzipSync(gzipSync(words))],
    ['a coding it is not by, besides', 'gzip, compress', gzipSync(words)],
    ['bytes that are not of it', 'gzip', words],
    ['half of them', 'gzip', gzipSync(words).subarray(0, 20)],
    ['another coding than it says', 'br', gzipSync(words)],
    ['nothing', 'gzip', new Uint8Array()],
  ] as const)('by %s says nothing', ([, coding, body]) => {
    expect(coded(coding, body)).toBeUndefined()
  })

  it('by two codings in two headers says nothing', () => {
    expect(said(gzipSync(gzipSync(words)), 'Content-Encoding', 'gzip', 'Content-Encoding', 'gzip')).toBeUndefined()
  })

  it.for([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ] as const)('by %s may become 1 MiB and not a byte more (%#)', ([coding, compress]) => {
    const large = Buffer.alloc(1_048_576, 'a')
    expect(said(compress(large), 'Content-Encoding', coding)).toHaveLength(large.length + '{"text":""}'.length)
    expect(said(compress(Buffer.concat([large, words])), 'Content-Encoding', coding)).toBeUndefined()
  })
})

describe('what the control silo itself says', () => {
  const apology = (why: 'failed' | 'unknown') => {
    const { contentType, body } = provider.apology(why)
    expect(contentType).toBe(JSON_TYPE)
    return JSON.parse(body.toString()) as Record<string, unknown>
  }

  it.for(['failed', 'unknown'] as const)('%s: to the user alone, and beside the message that was clicked in', (why) => {
    expect(apology(why)).toEqual({ response_type: 'ephemeral', replace_original: false, text: expect.any(String) })
  })

  it('does not take what may have been done for what was not', () => {
    expect(apology('failed')['text']).toMatch(/could not be completed/)
    expect(apology('unknown')['text']).toMatch(/not known/)
  })
})
