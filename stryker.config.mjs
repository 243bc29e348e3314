// Mutates the code that decides. Not part of the check: it takes many minutes.
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.ts', related: true },
  mutate: ['src/providers/slack/**/*.ts', 'src/resolve/**/*.ts', 'src/dispatch/**/*.ts', 'src/wire/**/*.ts'],
  coverageAnalysis: 'perTest',
  concurrency: 2,
  ignoreStatic: true,
  // A second run tests only what has changed since the first.
  incremental: true,
  incrementalFile: 'reports/mutation.json',
  reporters: ['clear-text', 'progress', 'html'],
  htmlReporter: { fileName: 'reports/mutation.html' },
  tempDirName: '.stryker-tmp',
  thresholds: { high: 95, low: 90, break: 85 },
}
