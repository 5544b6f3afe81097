// Calls a running Patchbay with tokens of a running identity provider (provider.mjs), which it was told of by discovery:
//   node tokens.mjs http://127.0.0.1:PORT http://127.0.0.1:PORT-OF-THE-PROVIDER

import { assert, run, send, until } from '../clients/harness.mjs';

const LIST = '/api/v1/integrations?limit=1';
const INSTALL = '/api/v1/integrations/stripe/install';
const QUERY = '{ integrations(first: 1) { totalCount } }';

await run(async ({ base, other: provider, check }) => {
  /** An access token as the client gets it from the provider. */
  const token = async (client, scope = 'installations:read') => {
    const answer = await send(provider, '/token', {
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${client}:${client}`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'urn:patchbay', scope }).toString(),
    });
    assert(answer.status === 200, `the provider: ${answer.status} ${answer.text}`);
    return answer.json().access_token;
  };
  const bearer = token => ({ authorization: `Bearer ${token}` });

  const rest = async (token, account, status, sentence) => {
    const answer = await send(base, LIST, { method: 'GET', account, headers: bearer(token) });
    assert(answer.status === status, `REST: ${answer.status} ${answer.text}`);
    assert(!sentence || answer.text === sentence, answer.text);
  };
  const graphql = async (token, account, code) => {
    const answer = await send(base, '/graphql', { account, headers: bearer(token), body: { query: QUERY } });
    const told = answer.json().errors?.[0].extensions.code;
    assert(told === code, `GraphQL: ${answer.status} ${answer.text}`);
  };

  await check('a token opens its account, named or not', async () => {
    const reader = await token('reader');
    const [header, claims] = reader.split('.', 2).map(part => JSON.parse(Buffer.from(part, 'base64url')));
    console.log(`      ${JSON.stringify(header)}\n      ${JSON.stringify(claims)}`);
    for (const account of ['acme', undefined]) {
      await rest(reader, account, 200);
      await graphql(reader, account, undefined);
    }
  });

  await check('another account is 403', async () => {
    const reader = await token('reader');
    await rest(reader, 'globex', 403, 'The credentials are not for this account');
    await graphql(reader, 'globex', 'FORBIDDEN');
  });

  await check('a token for two accounts opens both, and one must be named', async () => {
    const writer = await token('writer');
    for (const account of ['acme', 'globex']) {
      await rest(writer, account, 200);
      await graphql(writer, account, undefined);
    }
    await rest(writer, undefined, 400, 'Missing X-Account-ID header');
    await graphql(writer, undefined, 'ACCOUNT_REQUIRED');
    await rest(writer, 'initech', 403, 'The credentials are not for this account');
  });

  await check('a token without the scope is 403, one with it may', async () => {
    const install = async token => (await send(base, INSTALL, { account: 'acme', headers: bearer(token), body: {} })).status;
    assert(await install(await token('reader')) === 403, 'reader installs');
    assert(await install(await token('writer')) === 403, 'writer installs without asking for the scope');
    assert(await install(await token('writer', 'installations:read installations:write')) === 200, 'writer cannot install');
  });

  await check('a token for no account or for another service is refused', async () => {
    await rest(await token('nobody'), 'acme', 403, 'The credentials are not for this account');
    await rest(await token('stranger'), 'acme', 401, 'Invalid credentials');
    await graphql(await token('stranger'), 'acme', 'UNAUTHENTICATED');
  });

  await check('a token that was tampered with is 401', async () => {
    const [header, claims, signature] = (await token('reader')).split('.');
    const changed = { ...JSON.parse(Buffer.from(claims, 'base64url')), patchbay: { accounts: 'globex' } };
    const forged = Buffer.from(JSON.stringify(changed)).toString('base64url');
    for (const tampered of [`${header}.${forged}.${signature}`, `${header}.${claims}.${signature.slice(0, -4)}AAAA`, `${header}.${claims}.`]) {
      await rest(tampered, undefined, 401, 'Invalid credentials');
      await graphql(tampered, undefined, 'UNAUTHENTICATED');
    }
  });

  await check('a token is 401 when its time is up', async () => {
    const short = await token('short');
    const expired = async () => (await send(base, LIST, { method: 'GET', headers: bearer(short) })).status === 401;
    await until(expired, 'the end of a token of one second');
    await rest(short, undefined, 401, 'Expired credentials');
    await graphql(short, undefined, 'UNAUTHENTICATED');
  });

  await check('a new key of the provider is taken at once, and the old one no longer', async () => {
    const before = await token('reader');
    await rest(before, 'acme', 200);
    await send(provider, '/rotate');
    await rest(await token('reader'), 'acme', 200);
    await graphql(await token('reader'), 'acme', undefined);
    await rest(before, 'acme', 401, 'Invalid credentials');
  });
});
