import { join } from 'node:path'
import { defineConfig } from 'vite'

/** The console: one page and its hashed files, for the folder that the admin listener serves. */
export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: join(import.meta.dirname, '../dist/console'),
    emptyOutDir: true,
    target: 'es2022',
    // Its policy lets the page load from itself only; what is small is a file as well.
    assetsInlineLimit: 0,
    // Every browser that it is made for preloads modules by itself.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
})
