import { defineConfig } from 'vitest/config'

const setupFiles = ['test/support/fail-on-leftovers.ts']

// One project a kind of test, so that `vitest run --project unit` is the quick half and the slow ones have time.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles,
          // Unit tests hold no module state, so one module graph serves every file of a worker.
          isolate: false,
          // Some let seconds go by, or start processes; what a busy machine adds to it is no failure.
          testTimeout: 15_000,
        },
      },
      // Servers that are started for a file, beside those of other files, take their time on a busy machine.
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          setupFiles,
          testTimeout: 15_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          setupFiles,
          testTimeout: 15_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          setupFiles,
          // Each test starts processes of its own; a busy machine needs tens of seconds for what takes one.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          setupFiles,
          // After all others: its threads leave no time to anybody.
          sequence: { groupOrder: 1 },
          fileParallelism: false,
        },
      },
      // What the fault matrix calls a failure, and that it does.
      { test: { name: 'faults', include: ['test/faults/**/*.test.ts'], setupFiles, testTimeout: 120_000 } },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reportsDirectory: 'coverage',
      reporter: ['text', 'html', 'json-summary'],
    },
  },
})
