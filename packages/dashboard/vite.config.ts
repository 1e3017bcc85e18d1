// Builds the pages into dist/app: no request leaves the service, every asset has a hash in its name, and nothing is inline,
// because the content security policy forbids it.
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const out = fileURLToPath(new URL('dist/app', import.meta.url));

export default defineConfig({
  root: fileURLToPath(new URL('src/page', import.meta.url)),
  base: '/dashboard/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: out,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    reportCompressedSize: true,
    rollupOptions: { input: fileURLToPath(new URL('src/page/index.html', import.meta.url)) },
  },
  plugins: [
    {
      name: 'bellhop-docs',
      closeBundle() {
        const component = dirname(createRequire(import.meta.url).resolve('rapidoc/package.json'));
        mkdirSync(join(out, 'docs'), { recursive: true });
        copyFileSync(join(component, 'dist/rapidoc-min.js'), join(out, 'docs/rapidoc.js'));
        const own = fileURLToPath(new URL('src/docs', import.meta.url));
        copyFileSync(join(own, 'docs.html'), join(out, 'docs.html'));
        for (const name of ['docs.js', 'docs.css']) copyFileSync(join(own, name), join(out, 'docs', name));
      },
    },
  ],
});
