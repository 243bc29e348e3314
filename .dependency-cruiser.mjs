// The house rules of who may import whom. Each rule's comment says what it protects; test/e2e/machinery proves that
// each can fail. A type costs nothing at run time, so most rules let `import type` through.
const typeOnly = { dependencyTypesNot: ['type-only'] }

/** A package, whether it or its types are found, that only these files may import. */
const onlyIn = (name, packages, files, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^src/', pathNot: files },
  to: { path: packages },
})

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Two files that need each other to run are one file, or three.',
      severity: 'error',
      from: { path: '^(?:src|console)/' },
      to: { circular: true, viaOnly: typeOnly },
    },
    {
      name: 'no-unresolvable',
      comment: 'What cannot be found is checked by no rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'src-stands-alone',
      comment: 'What is shipped needs nothing that is not.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(?:test|bench|scripts|console|dist)/' },
    },
    {
      name: 'no-dev-dependencies',
      comment: 'The image has production dependencies only.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], ...typeOnly },
    },
    {
      name: 'wire-imports-nothing',
      comment: 'The wire is installed in regions as well: Node and itself, nothing else.',
      severity: 'error',
      from: { path: '^src/wire/' },
      to: { pathNot: '^src/wire/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'region-kit-imports-wire-only',
      comment: 'A region installs the kit without the gateway.',
      severity: 'error',
      from: { path: '^src/region-kit/' },
      to: { pathNot: '^src/(?:region-kit|wire)/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'providers-behind-their-index',
      comment: 'The core knows no provider by name: a provider is registered in src/providers/index.ts and only there.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/providers/' },
      to: { path: '^src/providers/', pathNot: '^src/providers/index\\.ts$' },
    },
    {
      name: 'providers-are-handed-in',
      comment: 'Only where parts are put together are the registered providers looked up.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(?:gateway\\.ts$|cli/)' },
      to: { path: '^src/providers/index\\.ts$' },
    },
    {
      name: 'providers-apart',
      comment: 'One provider never needs another.',
      severity: 'error',
      from: { path: '^src/providers/([^/]+)/' },
      to: { path: '^src/providers/[^/]+/', pathNot: '^src/providers/$1/' },
    },
    {
      name: 'providers-see-their-contract',
      comment: 'A provider is a leaf: its contract, the errors, HMACs, and the types of what it is handed.',
      severity: 'error',
      from: { path: '^src/providers/([^/]+)/' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/providers/(?:$1/|define-provider\\.ts$)',
          '^src/(?:provider|errors|clock)\\.ts$',
          '^src/wire/hmac\\.ts$',
          '^src/(?:directory|dispatch|telemetry)/',
        ],
      },
    },
    {
      name: 'providers-take-types',
      comment: 'What a provider uses of the rooms is handed to it; what text is an id is a rule of the language.',
      severity: 'error',
      from: { path: '^src/providers/[^/]+/' },
      to: { path: '^src/(?:directory|dispatch|telemetry)/', pathNot: '^src/directory/id\\.ts$', ...typeOnly },
    },
    {
      name: 'resolve-comes-before-dispatch',
      comment: 'Journey rooms look back, never ahead.',
      severity: 'error',
      from: { path: '^src/resolve/' },
      to: { path: '^src/dispatch/' },
    },
    {
      name: 'journey-rooms-take-types',
      comment: 'Rooms of the journey never call each other, nor build what they use: handle-webhook.ts passes values.',
      severity: 'error',
      from: { path: '^src/(resolve|dispatch)/' },
      to: { path: '^src/', pathNot: ['^src/$1/', '^src/wire/', '^src/(?:errors|clock|ids)\\.ts$'], ...typeOnly },
    },
    {
      name: 'spool-knows-no-use',
      comment:
        'What waits is kept without knowing what it is: whoever sends it, judges it or answers for it looks in here.',
      severity: 'error',
      from: { path: '^src/spool/' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/(?:spool|database)/',
          '^src/directory/(?:directory|store|id)\\.ts$',
          '^src/wire/signing-keys\\.ts$',
          '^src/clock\\.ts$',
        ],
      },
    },
    {
      name: 'spools-apart',
      comment: 'One database’s spool never needs another’s: what they decide alike is beside them.',
      severity: 'error',
      from: { path: '^src/spool/([^/]+)/' },
      to: { path: '^src/spool/[^/]+/', pathNot: '^src/spool/$1/' },
    },
    {
      name: 'spools-behind-their-port',
      comment: 'Which database it is, is known where it is opened: for a process that serves, and for a command.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(?:spool/|cli/stores\\.ts$)' },
      to: { path: '^src/spool/[^/]+/' },
    },
    {
      name: 'stages-are-not-parts',
      comment: 'The reference region and the demo stand around the gateway; only the command line leads to them.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(?:region|demo|cli)/' },
      to: { path: '^src/(?:region|demo)/' },
    },
    {
      name: 'command-line-on-top',
      comment: 'The command line is the process, not a library.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(?:main\\.ts$|cli/|demo/)' },
      to: { path: '^src/(?:main\\.ts$|cli/)' },
    },
    {
      name: 'serve-alone-opens-a-gateway',
      comment:
        'One that is opened delivers what waits, and tells users of what a crash has left: no command does so on the side.',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: '^src/cli/serve\\.ts$' },
      to: { path: '^src/gateway\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'console-in-a-browser',
      comment: 'The page is what it draws with, and itself: what else it knows, it asks the admin API for.',
      severity: 'error',
      from: { path: '^console/src/' },
      to: { pathNot: ['^(?:console/)?src/', '(?:^|/)node_modules/(?:preact|@preact/signals|uplot)/'] },
    },
    {
      name: 'console-takes-types',
      comment: 'The shapes of what the admin API answers, in one file: nothing of the gateway runs in a browser.',
      severity: 'error',
      from: { path: '^console/' },
      to: { path: '^src/', ...typeOnly },
    },
    {
      name: 'console-knows-answers-only',
      comment: 'How the gateway does it is none of the page’s business.',
      severity: 'error',
      from: { path: '^console/' },
      to: { path: '^src/', pathNot: '^src/(?:admin|records|explain|demo)/' },
    },
    onlyIn(
      'express-at-listeners',
      '(?:^|/)node_modules/(?:@types/)?express(?:-serve-static-core)?/',
      '^src/(?:public-listener\\.ts$|admin/|region/|demo/)',
      'A framework ends where a listener does.',
    ),
    onlyIn(
      'undici-where-dialled',
      '(?:^|/)node_modules/undici/',
      '^src/(?:dispatch/region-client|delivery/post-answer)\\.ts$',
      'Two places dial, regions and where answers are posted to, so two decide which addresses may be dialled.',
    ),
    onlyIn(
      'sqlite-in-one-file',
      '^(?:node:)?sqlite$',
      '^src/database/sqlite\\.ts$',
      'node:sqlite is not stable yet: its next change costs one file.',
    ),
    onlyIn(
      'pg-in-one-file',
      '(?:^|/)node_modules/(?:@types/)?pg/',
      '^src/database/postgres\\.ts$',
      'Limits, timeouts and what a broken connection means are the same for every pool.',
    ),
    onlyIn(
      'kysely-at-the-database',
      '(?:^|/)node_modules/kysely/',
      '^src/(?:database|directory|audit|steering|secrets|records)/',
      'SQL stays in the rooms that own tables.',
    ),
    onlyIn(
      'ioredis-in-the-fleet',
      '(?:^|/)node_modules/ioredis/',
      '^src/fleet/',
      'Whoever shares something through Redis says what through a port, and can do without it.',
    ),
    onlyIn(
      'pino-in-telemetry',
      '(?:^|/)node_modules/pino(?:-pretty)?/',
      '^src/telemetry/',
      'The rest logs through an interface.',
    ),
    onlyIn(
      'opentelemetry-in-one-file',
      '(?:^|/)node_modules/@opentelemetry/',
      '^src/telemetry/open-telemetry\\.ts$',
      'It is optional: loaded where traces are exported, and nowhere else.',
    ),
    {
      name: 'opentelemetry-when-needed',
      comment: 'Who does not export traces does without the packages, and does not wait for them to be loaded.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/telemetry/open-telemetry\\.ts$', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'redis-when-needed',
      comment: 'A gateway that stands alone does not wait for a client of Redis to be loaded.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/fleet/redis\\.ts$', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'pg-when-needed',
      comment: 'Who keeps everything in a file does not wait for a client of PostgreSQL to be loaded.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(?:database/postgres|spool/postgres/)' },
      to: {
        path: '^src/(?:database/postgres(?:-connections)?|spool/postgres/postgres-spool)\\.ts$',
        dependencyTypesNot: ['dynamic-import', 'type-only'],
      },
    },
    onlyIn('commander-in-cli', '(?:^|/)node_modules/commander/', '^src/cli/', 'Options are parsed once.'),
    onlyIn(
      'process-is-global',
      '^(?:node:)?process$',
      '^$',
      'Lint sees `process.env` and `process.exit` only on the global.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.json', '.d.ts'],
    },
  },
}
