import { defineConfig } from 'vitest/config'

// What a mutant has to survive: the unit tests of the mutated rooms. No timer or socket check, which would only make
// each of thousands of runs slower.
export default defineConfig({
  test: {
    include: ['test/unit/{providers,resolve,dispatch,wire,region-kit}/**/*.test.ts'],
    isolate: false,
  },
})
