/** A mark, the begin of a text, or another scalar. */
const TOKEN = /([{}[\],:])|(")|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y
/** Text piece by piece: one expression for all of it runs out of stack on a few megabytes that nothing ends. */
// oxlint-disable-next-line no-control-regex -- these are what JSON forbids
const PIECE = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const BLANKS = /[ \t\n\r]*/y

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'more or end' | 'nothing'

/** The offset from which a text is no JSON (RFC 8259), or undefined where it is. `JSON.parse` does not always say. */
export function offsetOfBrokenJson(text: string): number | undefined {
  const open: ('{' | '[')[] = []
  let expected: Expected = 'value'
  const afterValue = (): Expected => (open.length === 0 ? 'nothing' : 'more or end')

  let end: number | undefined = 0
  for (let offset = skipBlanks(text, 0); offset < text.length; offset = skipBlanks(text, end)) {
    TOKEN.lastIndex = offset
    const found = TOKEN.exec(text)
    if (found === null) return offset
    const [, mark, quote] = found
    end = quote === undefined ? TOKEN.lastIndex : endOfText(text, TOKEN.lastIndex)
    if (end === undefined) return offset
    const opens = mark === '{' || mark === '['
    const closes = open.at(-1) === '{' ? mark === '}' : open.length > 0 && mark === ']'

    if ((expected === 'value' || expected === 'value or ]') && opens) {
      open.push(mark)
      expected = mark === '{' ? 'key or }' : 'value or ]'
    } else if ((expected === 'value' || expected === 'value or ]') && mark === undefined) expected = afterValue()
    else if ((expected === 'value or ]' || expected === 'key or }' || expected === 'more or end') && closes) {
      open.pop()
      expected = afterValue()
    } else if ((expected === 'key' || expected === 'key or }') && quote !== undefined) expected = 'colon'
    else if (expected === 'colon' && mark === ':') expected = 'value'
    else if (expected === 'more or end' && mark === ',') expected = open.at(-1) === '{' ? 'key' : 'value'
    else return offset
  }
  return expected === 'nothing' ? undefined : text.length
}

function skipBlanks(text: string, from: number): number {
  BLANKS.lastIndex = from
  BLANKS.exec(text)
  return BLANKS.lastIndex
}

function endOfText(text: string, from: number): number | undefined {
  PIECE.lastIndex = from
  let end = from
  while (PIECE.test(text)) end = PIECE.lastIndex
  return text[end] === '"' ? end + 1 : undefined
}
