import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import express, { type NextFunction, type Request, type Response, Router } from 'express'
import { Refusal } from '../errors.ts'

/** Its own files and its own API, nothing else: what an attacker might get into the page can load or send nothing. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const NOT_BUILT = 'The console is not built: run "npm run build". The API is there all the same: GET /openapi.json.\n'

/** Where the build puts the page: beside the command, which is one file; in a checkout, where that would be. */
export function builtPage(): string {
  const where = import.meta.url.endsWith('.ts') ? '../../dist/console/' : './console/'
  return fileURLToPath(new URL(where, import.meta.url))
}

/** Serves the console's files to whoever asks: they tell of nobody, and it is by them that one gets in. */
export function servePage(folder: string): Router {
  const files = express.static(folder, {
    redirect: false,
    // Of an index.html that names other files, size and time may be as they were.
    etag: false,
    lastModified: false,
    acceptRanges: false,
    setHeaders(res: Response, path: string) {
      res.setHeader('Content-Security-Policy', POLICY)
      res.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
      // Whatever lies in there is named after its content.
      const isNamedByContent = basename(dirname(path)) === ASSETS
      res.setHeader('Cache-Control', isNamedByContent ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
  const page = Router({ caseSensitive: true })
  page.use(files)
  // Express knows what takes errors by its four parameters.
  page.use((error: unknown, _req: Request, _res: Response, next: NextFunction) => {
    next(
      isUnmet(error)
        ? new Refusal('precondition_failed', 'The files of the page have no entity tag and no date.')
        : error,
    )
  })
  page.get('/', (_req, res) => {
    res.status(503).type('text').send(NOT_BUILT)
  })
  page.get(`/${ASSETS}/{*name}`, () => {
    throw new Refusal('not_found', 'The page has no such file, or not any more: load it again.')
  })
  return page
}

const ASSETS = 'assets'

/** What somebody asks for is not to be a failure of ours, which is logged as one. */
function isUnmet(error: unknown): boolean {
  return error instanceof Error && 'status' in error && error.status === 412
}
