import { defineConfig } from 'vite';
import { thirdParty } from './build/third-party.ts';

// A build of its own beside GraphiQL's: the gallery is served without it, and neither page's bundle depends on the other's.
const notices = thirdParty();

export default defineConfig(({ command }) => ({
  // The server writes the path of the page in front.
  base: command === 'build' ? './' : '/ui/',
  plugins: [notices.collect(), notices.write()],
  server: {
    proxy: { '/graphql': process.env.PATCHBAY_URL ?? 'http://127.0.0.1:8080' },
  },
  build: {
    outDir: 'dist/ui',
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'], // `light-dark()` stays as it is
    sourcemap: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { input: 'ui.html' },
  },
}));
