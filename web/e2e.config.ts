// SPDX-License-Identifier: Apache-2.0

// How the tests in test/e2e are run: a real browser against the real binary ("make e2e"). They stand outside of this
// folder and use its packages.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: at('../test/e2e'),
  cacheDir: at('node_modules/.vite-e2e'),
  resolve: {
    alias: {
      'axe-core': at('node_modules/axe-core/axe.js'),
      'playwright-core': at('node_modules/playwright-core/index.mjs'),
    },
  },
  test: {
    include: ['*.test.ts'],
    environment: 'node',
    fileParallelism: false, // two browsers at once are too much for a small machine
    testTimeout: 30_000,
    hookTimeout: 30_000,
    expect: { poll: { timeout: 10_000 } },
    bail: 1, // a story: what follows a broken step says nothing
  },
});
