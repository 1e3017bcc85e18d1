// One runner for all packages. Tests run on the TypeScript sources (export condition `bellhop-source`), so that
// a test never passes against a stale build.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['bellhop-source'] },
  ssr: { resolve: { conditions: ['bellhop-source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    setupFiles: ['test/property-seed.ts'],
    globalSetup: ['test/build.ts', 'test/postgres.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Most of the long files wait (delays, back-off, leases) rather than compute; the default would be one at a time on two cores.
    maxWorkers: 3,
  },
});
