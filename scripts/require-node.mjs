// Plain JavaScript on purpose: it must run, and explain itself, on a Node too old to strip types.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `silo-gateway needs Node 24 or newer, this is ${process.version}. "npm ci" installs one for npm's scripts: ` +
      'run them as "npm run ...", not with the system\'s node.',
  )
  process.exit(1)
}
