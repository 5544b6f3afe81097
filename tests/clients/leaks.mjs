// Looks for secrets in what servers wrote: logs, database files, dumps.
//   node leaks.mjs [--word WORD] … [--holds-params] PATH …
// All secrets of the tests hold the word CANARY; `--word` names more. A folder stands for all files in it. The path after
// `--holds-params` must hold VISIBLE_PARAM, which the clients here store in the open: so a search in the wrong place does
// not pass.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const IN_THE_OPEN = 'VISIBLE_PARAM';
/** Of one file and form; the first alone may hide another cause. */
const SHOWN = 20;

/** How a secret looks in the forms in which programs write bytes. */
function forms(secret) {
  const bytes = [...Buffer.from(secret)];
  const hex = Buffer.from(secret).toString('hex');
  // Base64 depends on where in the text the secret begins; the first and last characters also hold its neighbours.
  const base64 = [0, 1, 2].map(offset => {
    const text = Buffer.from('x'.repeat(offset) + secret).toString('base64').replace(/=+$/, '');
    return text.slice(offset && offset + 1, Math.floor(((offset + secret.length) * 8) / 6));
  });
  return [secret, Buffer.from(secret, 'utf16le'), hex, hex.toUpperCase(), bytes.join(', '), bytes.join(','), ...base64].map(form =>
    Buffer.from(form),
  );
}

const { values, positionals } = parseArgs({
  options: { word: { type: 'string', multiple: true, default: [] }, 'holds-params': { type: 'string', multiple: true, default: [] } },
  allowPositionals: true,
});
const SECRETS = ['CANARY', ...values.word];
const wanted = SECRETS.flatMap(secret => forms(secret).map(form => ({ secret, form })));
const leakIn = content => wanted.find(({ form }) => content.includes(form));

/** The search itself must be able to find. */
function selfTest() {
  for (const secret of SECRETS) {
    const inside = Buffer.from(`before ${secret} after`);
    const written = ['utf8', 'hex', 'base64', 'base64url'].map(encoding => inside.toString(encoding));
    written.push(Buffer.from(`${secret}!`).toString('base64'), Buffer.from(`12${secret}!`).toString('base64'), JSON.stringify([...inside]));
    for (const text of written) {
      if (!leakIn(Buffer.from(text))) throw new Error(`the search misses ${secret} in ${text}`);
    }
  }
}

function* files(path) {
  if (!statSync(path).isDirectory()) return yield path;
  for (const name of readdirSync(path)) yield* files(join(path, name));
}

selfTest();
let failed = false;
let count = 0;
let size = 0;
const search = path => {
  let inTheOpen = false;
  for (const file of files(path)) {
    const content = readFileSync(file);
    count++;
    size += content.length;
    inTheOpen ||= content.includes(IN_THE_OPEN);
    for (const { secret, form } of wanted) {
      for (let at = content.indexOf(form), shown = 0; at >= 0 && shown < SHOWN; at = content.indexOf(form, at + 1), shown++) {
        failed = true;
        const around = content.subarray(Math.max(0, at - 120), at + 80).toString('latin1');
        console.log(`LEAK  ${secret} in ${file}: ${around.replace(/[^ -~]/g, '.')}`);
      }
    }
  }
  return inTheOpen;
};
for (const path of positionals) search(path);
for (const path of values['holds-params']) {
  if (!search(path)) {
    failed = true;
    console.log(`FAIL  ${path} does not hold ${IN_THE_OPEN}: is it what the server wrote?`);
  }
}
if (count === 0) throw new Error('nothing to search in');
console.log(`searched ${count} files, ${(size / 1e6).toFixed(1)} MB, for secrets: ${failed ? 'FAILED' : 'none found'}`);
process.exit(failed ? 1 : 0);
