/*
 * Loaded before the gateway: makes it the next release, which has one migration more than this one.
 */
import { registerHooks } from 'node:module'

const more = `
migrations['9999_next_release'] = {
  async up(db) {
    await db.schema.alterTable('waiting').addColumn('of_the_next_release', 'text').execute()
    await db.schema.createTable('of_the_next_release').addColumn('id', 'bigint').execute()
  },
}
`

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith('/src/database/migrations.ts')) return loaded
    const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)
    return { ...loaded, source: source + more }
  },
})
