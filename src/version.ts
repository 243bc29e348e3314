import { readFileSync } from 'node:fs'

/** The package's own, which lies as far above the sources as above what is built from them. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest)) {
    throw new TypeError('package.json tells no version')
  }
  return String(manifest.version)
}
