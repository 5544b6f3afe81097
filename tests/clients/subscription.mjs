// Subscriptions with the client that most programs use (graphql-ws), against a running Patchbay:
//   node subscription.mjs http://127.0.0.1:8080 [http://127.0.0.1:8081]
// With a second address, changes are made through that replica. Makes accounts of its own.

import { randomUUID } from 'node:crypto';
import { Follower } from './follower.mjs';
import { assert, run, send, until } from './harness.mjs';

/** A change arrives within this time. */
const PROMISED_MS = 2_000;

await run(async ({ base, other, check }) => {
  const accounts = { acme: `acme-${randomUUID()}`, globex: `globex-${randomUUID()}` };
  const followers = [];
  const follow = async options => {
    const follower = new Follower(base, options);
    followers.push(follower);
    await follower.start((account, name) => change(other, account, name));
    return follower;
  };

  let byInit;
  let byHeader;
  await check('the account of connection_init is followed', async () => {
    byInit = await follow({ account: accounts.acme, by: 'connection_init' });
  });
  await check('the account of the header is followed', async () => {
    byHeader = await follow({ account: accounts.globex, by: 'header' });
  });

  await check(`a change arrives within ${PROMISED_MS} ms`, async () => {
    for (const [follower, account] of [[byInit, accounts.acme], [byHeader, accounts.globex]]) {
      for (const [action, status] of [['install', 'INSTALLED'], ['uninstall', 'AVAILABLE']]) {
        follower.seen.length = 0;
        await send(other, `/api/v1/integrations/stripe/${action}`, { account });
        await follower.sees('stripe', status, PROMISED_MS);
      }
    }
  });

  await check("no change of another account's arrives", async () => {
    byInit.seen.length = byHeader.seen.length = 0;
    await change(other, accounts.acme, 'stripe');
    await byInit.sees('stripe', 'INSTALLED');
    // Whatever was on its way to the other account came before this.
    await change(other, accounts.globex, 'openai');
    await byHeader.sees('openai', 'INSTALLED');
    assert(byHeader.seen.every(({ name }) => name === 'openai'), JSON.stringify(byHeader.seen));
    assert(byInit.seen.every(({ name }) => name === 'stripe'), JSON.stringify(byInit.seen));
  });

  await check('a client whose connection breaks comes back and goes on', async () => {
    const opened = byInit.opened;
    byInit.cut();
    await until(() => byInit.opened > opened, 'the second connection');
    await byInit.start((account, name) => change(other, account, name));
    await change(other, accounts.acme, 'stripe');
    await byInit.sees('stripe', 'INSTALLED', PROMISED_MS);
  });

  await check('after completing, nothing arrives any more', async () => {
    const witness = await follow({ account: accounts.acme, by: 'header' });
    byInit.complete();
    await change(other, accounts.acme, 'openai');
    await witness.sees('openai', 'INSTALLED');
    byInit.seen.length = 0;
    await change(other, accounts.acme, 'stripe');
    await witness.sees('stripe', 'INSTALLED');
    assert(byInit.seen.length === 0, JSON.stringify(byInit.seen));
  });

  await check('a query runs over the same connection', async () => {
    const answer = await byHeader.ask('{ integration(by: { name: "openai" }) { status } }');
    assert(answer.data?.integration.status === 'INSTALLED', JSON.stringify(answer));
  });

  for (const [title, options] of [
    ['a connection without an account is refused', {}],
    ['a connection with a malformed account is refused', { account: 'Not An Account', by: 'connection_init' }],
  ]) {
    await check(title, async () => {
      const follower = new Follower(base, options);
      followers.push(follower);
      const end = await follower.ended();
      assert(end.code === 4403 || end.code === 1002, `closed with ${end.code} ${end.reason}`);
      assert(follower.seen.length === 0, JSON.stringify(follower.seen));
    });
  }

  for (const follower of followers) await follower.dispose();
});

async function change(base, account, name) {
  const answer = await send(base, `/api/v1/integrations/${name}/install`, { account, body: { params: {} } });
  assert(answer.status === 200, `install ${name}: ${answer.status} ${answer.text}`);
}
