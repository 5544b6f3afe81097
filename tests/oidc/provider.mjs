// An identity provider (npm oidc-provider, a certified implementation of OpenID Connect) on a free port of loopback:
//   node provider.mjs
// Prints its issuer, among warnings that it is not fit for production. Clients get access tokens for themselves (client_credentials) as JWTs for the resource below.
// `POST /rotate` gives it a new signing key, and only that, as after a restart with other keys.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const RESOURCE = 'urn:patchbay';

/** Name (the secret is the same) → what its tokens say. `seconds` is how long they are good. */
const CLIENTS = {
  reader: { accounts: 'acme', scope: 'installations:read', seconds: 60 },
  writer: { accounts: ['acme', 'globex'], scope: 'installations:read installations:write', seconds: 60 },
  short: { accounts: 'acme', scope: 'installations:read', seconds: 1 },
  nobody: { scope: 'installations:read', seconds: 60 },
  stranger: { accounts: 'acme', scope: 'installations:read', seconds: 60, audience: 'another-service' },
};

const signingKey = () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256', use: 'sig' };
};

const provider = issuer => new Provider(issuer, {
  jwks: { keys: [signingKey()] },
  clients: Object.entries(CLIENTS).map(([name, { scope }]) => ({
    client_id: name, client_secret: name, scope, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
  })),
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
  scopes: ['installations:read', 'installations:write'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource, client) => ({
        scope: CLIENTS[client.clientId].scope,
        audience: CLIENTS[client.clientId].audience ?? resource,
        accessTokenTTL: CLIENTS[client.clientId].seconds,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  extraTokenClaims: (_, token) => ({ 'patchbay': { accounts: CLIENTS[token.clientId].accounts } }),
}).callback();

let answer;
const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/rotate') {
    answer = provider(issuer);
    response.end();
  } else {
    answer(request, response);
  }
});
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
answer = provider(issuer);
console.log(issuer);
