/*
 * Sabotage, loaded before the gateway by whoever wants to see that losses are noticed: mailboxes that say of every
 * delivery that it is stored, and store nothing.
 */
import { registerHooks } from 'node:module'

const spool = new URL('../../src/spool/sqlite/sqlite-spool.ts', import.meta.url).href
const forgetful = new URL('forget-what-waits.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    return resolved.url === spool && context.parentURL !== forgetful ? { ...resolved, url: forgetful } : resolved
  },
})
