// SPDX-License-Identifier: Apache-2.0

// How the app is built: hashed files under assets/, nothing inline (the Content-Security-Policy allows no
// inline script and no data: script), and the service worker as one classic script at the root.
import { existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { build, type Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const SERVICE_WORKER = 'src/sw/sw.ts';

// serviceWorker builds src/sw/sw.ts into dist/sw.js once the app's files are known. Its two constants:
// __FILES__, the paths to keep for use without a network, and __BUILD__, which changes with any of them.
function serviceWorker(): Plugin {
  return {
    name: 'kith-service-worker',
    apply: 'build',
    generateBundle() {
      // The folder stands in the repository, empty but for this file, so that the server compiles without the app.
      this.emitFile({ type: 'asset', fileName: '.keep', source: '' });
    },
    async writeBundle({ dir }, bundle) {
      if (!existsSync(SERVICE_WORKER)) return;
      const files = ['/', ...Object.keys(bundle).filter((f) => f.startsWith('assets/')).map((f) => `/${f}`).sort()];
      const sum = createHash('sha256');
      for (const out of Object.values(bundle).sort((a, b) => (a.fileName < b.fileName ? -1 : 1))) {
        sum.update(out.fileName).update(out.type === 'chunk' ? out.code : out.source);
      }
      await build({
        configFile: false,
        publicDir: false,
        logLevel: 'warn',
        define: { __FILES__: JSON.stringify(files), __BUILD__: JSON.stringify(sum.digest('hex').slice(0, 16)) },
        build: {
          emptyOutDir: false,
          outDir: dir ?? 'dist',
          target: 'es2022',
          rollupOptions: { input: SERVICE_WORKER, output: { format: 'iife', entryFileNames: 'sw.js' } },
        },
      });
    },
  };
}

const server = process.env['KITH_SERVER'] ?? 'http://localhost:8080';

export default defineConfig({
  plugins: [serviceWorker()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    proxy: {
      '/app.json': server,
      '/invite': server,
      '/xmpp-websocket': { target: server, ws: true },
    },
  },
  test: {
    include: ['src/**/*.test.{ts,tsx}', 'test/**/*.test.ts'],
    environment: 'node',
  },
});
