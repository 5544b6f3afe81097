import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { thirdParty } from './build/third-party.ts';

// The icon font inside monaco-editor comes from this package, under a licence of its own.
const notices = thirdParty({ also: ['@vscode/codicons'] });

// GraphiQL formats JSON with Prettier's JavaScript parser and printer: 530 KB for one button.
const prettierJson = fileURLToPath(new URL('./src/prettier-json.ts', import.meta.url));

export default defineConfig({
  base: './', // the server writes the path of the page in front
  plugins: [notices.collect(), notices.write()],
  resolve: {
    alias: { 'prettier/parser-babel': prettierJson, 'prettier/plugins/estree': prettierJson },
  },
  worker: {
    format: 'es',
    plugins: () => [notices.collect()],
  },
  build: {
    outDir: 'dist/graphiql',
    target: 'es2022',
    sourcemap: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      onLog(level, log, report) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log); // "use no memo", a hint to a compiler that we do not run
      },
    },
  },
});
