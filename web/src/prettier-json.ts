// Stands in for `prettier/parser-babel` and `prettier/plugins/estree` (see vite.config.ts): a Prettier parser and printer for "jsonc"
// that leave the work to jsonc-parser, which GraphiQL brings anyway and which keeps comments too.

import { applyEdits, format } from 'jsonc-parser';

type Document = { formatted: string };

const astFormat = 'formatted-jsonc';

export const parsers = {
  jsonc: {
    astFormat,
    parse: (text: string): Document => ({
      formatted: applyEdits(text, format(text, undefined, { insertSpaces: true, tabSize: 2, eol: '\n' })),
    }),
    locStart: () => 0,
    locEnd: (document: Document) => document.formatted.length,
  },
};

export const printers = {
  [astFormat]: { print: (path: { node: Document }) => path.node.formatted },
};
