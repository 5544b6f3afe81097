// Sends secrets through every way in, right and wrong, to a running Patchbay, and sees that no answer holds one:
//   node secrets.mjs http://127.0.0.1:8080
// All of them hold the word CANARY, and the params hold VISIBLE_PARAM: `leaks.mjs` looks for both in what the server wrote.

import { randomUUID } from 'node:crypto';
import { assert, run, send } from './harness.mjs';

const CANARY = `sk_test_CANARY_${randomUUID()}`;
const INSTALL = '/api/v1/integrations/stripe/install';
const MUTATION = 'mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) { changed integration { params secretNames } userErrors { message field code } } }';

await run(async ({ base, check }) => {
  const account = `acme-${randomUUID()}`;

  /** Sends, and looks at everything that comes back. */
  const sends = async (path, options, ...statuses) => {
    const answer = await send(base, path, { account, ...options });
    assert(statuses.includes(answer.status), `${path}: ${answer.status} ${answer.text}`);
    const everything = `${answer.text} ${JSON.stringify([...answer.headers])}`;
    assert(!everything.includes('CANARY'), `${path} answers with a secret: ${everything}`);
    return answer;
  };
  const input = (secrets, params) => ({ integration: { name: 'stripe' }, secrets, params });

  await check('REST stores secrets, and tells their names alone', async () => {
    const body = { params: { note: 'VISIBLE_PARAM' }, secrets: { api_key: CANARY, other: { deep: [CANARY] } } };
    const answer = await sends(INSTALL, { body }, 200);
    assert(answer.json().integration.secret_names.join() === 'api_key,other', answer.text);
    assert(answer.text.includes('VISIBLE_PARAM'), answer.text);
  });

  await check('GraphQL stores secrets, and tells their names alone', async () => {
    const answer = await sends('/graphql', { body: { query: MUTATION, variables: { input: input({ second: CANARY }) } } }, 200);
    const { integration } = answer.json().data.installIntegration;
    assert(integration.secretNames.join() === 'api_key,other,second', answer.text);
  });

  await check('reading, uninstalling and installing again shows none', async () => {
    await sends('/api/v1/integrations/stripe', { method: 'GET' }, 200);
    await sends('/api/v1/integrations?include=schemas', { method: 'GET' }, 200);
    await sends('/api/v1/integrations/stripe/uninstall', {}, 200);
    await sends(INSTALL, {}, 200);
    await sends('/graphql', { body: { query: '{ integrations { nodes { name params secretNames missingFields } } }' } }, 200);
    await sends('/metrics', { method: 'GET' }, 200);
  });

  await check('a refusal by REST quotes none', async () => {
    const secrets = { api_key: CANARY };
    const problem = { accept: 'application/problem+json' };
    for (const [body, status, headers] of [
      [{ secrets: { api_key: [CANARY] } }, 422],
      [{ secrets: { api_key: [CANARY] } }, 422, problem],
      [{ secrets: { [`not a name ${'x'.repeat(200)}`]: CANARY } }, 422],
      [{ secrets: CANARY }, 400],
      [{ secrets: [CANARY] }, 400, problem],
      [{ secrets, params: CANARY }, 400],
      [{ secrets, params: { note: 'NUL \0' } }, 400],
      [`{"secrets": {"api_key": "${CANARY}`, 400],
      [`{"secrets": {"api_key": ${CANARY}}}`, 400, problem],
      [`{"secrets": {"api_key": "${CANARY}\\ud800"}}`, 400],
      [CANARY, 400],
      [{ secrets: { api_key: CANARY.repeat(10_000) } }, 413],
      [JSON.stringify({ secrets }), 415, { 'content-type': 'text/plain' }],
    ]) {
      await sends(INSTALL, { body, headers }, status);
    }
    await sends('/api/v1/integrations/nothing_of_the_kind/install', { body: { secrets } }, 404);
    await sends(INSTALL, { body: { secrets }, account: undefined }, 400);
    await sends(INSTALL, { body: { secrets }, account: 'Not An Account' }, 400);
    await sends(INSTALL, { body: { secrets }, method: 'PUT' }, 405);
  });

  await check('a refusal by GraphQL quotes none', async () => {
    const literal = `{ integration: { name: "stripe" }, secrets: { api_key: "${CANARY}" } }`;
    for (const query of [
      `mutation { installIntegration(input: ${literal} }`, // a parenthesis is missing
      `mutation { installIntegration(input: ${literal}) { nothingOfTheKind } }`,
      `mutation { installIntegration(input: ${literal}, ${CANARY}: "${CANARY}") { changed } }`,
      `mutation { ${CANARY}(input: "${CANARY}") { changed } }`,
      `mutation { installIntegration(input: "${CANARY}") { changed } }`,
      `mutation { installIntegration(input: { integration: { name: "${CANARY}" } }) { changed userErrors { message } } }`,
      `query($v: Int = "${CANARY}") { integrations(first: $v) { totalCount } }`,
      `{ integrations(after: "${CANARY}") { totalCount } }`,
      `{ node(id: "${CANARY}") { id } }`,
    ]) {
      await sends('/graphql', { body: { query } }, 200, 400);
    }
    for (const variables of [
      { input: CANARY },
      { input: input(CANARY) },
      { input: input({ api_key: [CANARY] }) },
      { input: { ...input({ api_key: CANARY }), [CANARY]: CANARY } },
      { input: { integration: { name: 'stripe', id: CANARY }, secrets: { api_key: CANARY } } },
      [CANARY],
    ]) {
      await sends('/graphql', { body: { query: MUTATION, variables } }, 200, 400);
    }
    await sends('/graphql', { body: { query: MUTATION, variables: { input: input({ api_key: CANARY }) } }, account: undefined }, 200);
    await sends('/graphql', { body: `{"query": "${CANARY}` }, 400);
    await sends('/graphql', { body: { query: CANARY }, headers: { 'content-type': 'text/plain' } }, 415);
  });
});
