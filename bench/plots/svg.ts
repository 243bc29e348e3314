/** Of a middle lightness, so that they are read on white and on black alike. */
export const INK = '#76808c'
export const ACCENT = '#2f81f7'
export const COLOURS: readonly string[] = [ACCENT, '#bf8700', '#2da44e', '#bf3989', '#8250df']

type Attributes = Readonly<Record<string, string | number>>

/** One element. `content` is markup: text is to be escaped. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(shorter(value))}"`)
  return `<${name}${written.join('')}>${content}</${name}>`
}

export function text(words: string, attributes: Attributes): string {
  return element('text', attributes, escaped(words))
}

/** A whole picture without a background. `title` is read out to whoever does not see it. */
export function picture(size: { width: number; height: number }, title: string, elements: readonly string[]): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${size.width} ${size.height}`,
    role: 'img',
    'font-family': 'system-ui, sans-serif',
    'font-size': 12,
    fill: INK,
  }
  return `${element('svg', attributes, ['', element('title', {}, escaped(title)), ...elements, ''].join('\n'))}\n`
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** A tenth of a pixel is enough. */
function shorter(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 10) / 10) : value
}
