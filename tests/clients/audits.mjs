// Runs the GraphQL-over-HTTP audits of `graphql-http` against a running Patchbay; every one must pass, the optional too:
//   node audits.mjs http://127.0.0.1:8080

import { serverAudits } from 'graphql-http';
import { assert, run } from './harness.mjs';

/** Fewer would mean that a newer suite leaves some out unseen. */
const AUDITS = 61;

await run(async ({ base, check }) => {
  const audits = serverAudits({ url: new URL('/graphql', base).href });
  assert(audits.length === AUDITS, `${audits.length} audits instead of ${AUDITS}`);
  for (const { id, name, fn } of audits) {
    await check(`${id} ${name}`, async () => {
      const { status, reason } = await fn();
      assert(status === 'ok', `${status}: ${reason}`);
    });
  }
});
