// Writes THIRD_PARTY.txt beside the page: name, version and licence text of every package with code in the output. The list comes from
// the modules that were bundled, not from package.json, so it cannot go stale; a package without a licence fails the build.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import type { Plugin } from 'vite';

type Manifest = { name?: string; version?: string; license?: string; homepage?: string; author?: string | { name?: string } };

const LICENCE_FILE = /^(licen[cs]e|copying|notice|third[-_ ]?party)/i;
const LEGAL_COMMENT = /\/\*!?(?:(?!\*\/)[\s\S])*?(?:@license|@preserve|\(c\)|copyright)[\s\S]*?\*\//gi;

/** Packages published without a licence file, and the package of the same repository that has it. */
const LICENCE_OF: Record<string, string> = {
  '@graphiql/plugin-doc-explorer': 'graphiql',
  '@graphiql/plugin-history': 'graphiql',
  'react-compiler-runtime': 'react',
};

/** `collect` goes into the main build and into the build of each worker, `write` only into the main build. */
export function thirdParty({ also = [] }: { also?: string[] } = {}) {
  const packages = new Map<string, Set<string>>(); // directory -> bundled modules

  const add = (id: string) => {
    const file = id.replace(/^\0/, '').replace(/\?.*$/, '');
    if (!file.includes(`${sep}node_modules${sep}`) || !existsSync(file)) return;
    const root = packageRoot(file);
    packages.set(root, (packages.get(root) ?? new Set()).add(file));
  };

  const collect = (): Plugin => ({
    name: 'third-party-collect',
    generateBundle(_options, bundle) {
      for (const output of Object.values(bundle)) {
        if (output.type === 'chunk') output.moduleIds.forEach(add);
      }
    },
  });

  const write = (): Plugin => ({
    name: 'third-party-write',
    enforce: 'post',
    generateBundle() {
      for (const name of also) add(join(process.cwd(), 'node_modules', name, 'package.json'));
      const entries = [...packages].map(([root, modules]) => entry(root, modules));
      const source = [...new Set(entries)].sort().join(`\n${'='.repeat(100)}\n\n`);
      this.emitFile({ type: 'asset', fileName: 'THIRD_PARTY.txt', source });
    },
  });

  return { collect, write };
}

/** The nearest directory whose package.json has a name and a version (packages put others inside, only to say "type": "module"). */
function packageRoot(file: string): string {
  for (let dir = dirname(file); dir !== dirname(dir); dir = dirname(dir)) {
    const path = join(dir, 'package.json');
    if (existsSync(path)) {
      const { name, version } = manifest(dir);
      if (name && version) return dir;
    }
  }
  throw new Error(`no package.json above ${file}`);
}

const manifest = (dir: string) => JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Manifest;

function entry(root: string, modules: Set<string>): string {
  const { name = '', version, license, homepage } = manifest(root);
  if (!license) throw new Error(`${name} ${version} names no licence`);
  const head = [`${name} ${version}`, `Licence: ${license}`, ...(homepage ? [homepage] : [])].join('\n');
  return [head, ...licenceTexts(root), ...legalComments(modules)].join('\n\n').trimEnd() + '\n';
}

function licenceTexts(root: string): string[] {
  const files = readdirSync(root).filter(file => LICENCE_FILE.test(file)).sort();
  if (files.length > 0) return files.map(file => text(readFileSync(join(root, file), 'utf8')));

  const { name = '', license, author } = manifest(root);
  const twin = LICENCE_OF[name];
  if (twin) return licenceTexts(join(process.cwd(), 'node_modules', twin));
  const holder = typeof author === 'string' ? author : author?.name;
  if (license === 'MIT' && holder) return [`Copyright (c) ${holder}\n\n${MIT}`];
  throw new Error(`${name} has neither a licence file nor a known text`);
}

/** Copyright lines inside the sources: they name what a package carries from elsewhere (DOMPurify in monaco-editor). */
function legalComments(modules: Set<string>): string[] {
  const comments = new Set<string>();
  for (const file of modules) {
    if (!/\.(c|m)?js$/.test(file)) continue;
    for (const [comment] of readFileSync(file, 'utf8').matchAll(LEGAL_COMMENT)) {
      if (comment.length < 2000) comments.add(text(comment));
    }
  }
  return comments.size > 0 ? ['Notices in its sources:', ...[...comments].sort()] : [];
}

const text = (raw: string) => raw.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n').trim();

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR
ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH
THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
