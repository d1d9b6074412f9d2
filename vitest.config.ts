import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Against what hangs, not what is slow: whole clusters are simulated in one test, on machines that are shared.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores is what the suite is planned for; process tests inside start more of their own.
    maxWorkers: 2
  }
})
