// What the vocabulary of the API is called on the page.

import type { AuditAction, AuthKind, ActorKind } from './operations';

const ACRONYMS: Record<string, string> = { ai: 'AI', cms: 'CMS', crm: 'CRM', hr: 'HR', it: 'IT' };

/** `it_operations` → `IT operations`. */
export function categoryName(category: string): string {
  const [first = '', ...rest] = category.split('_');
  return [ACRONYMS[first] ?? first.charAt(0).toUpperCase() + first.slice(1), ...rest].join(' ');
}

export const authKindNames: Record<AuthKind, string> = {
  API_KEY: 'API key',
  AWS_SIGV4: 'AWS signature',
  BASIC: 'User and password',
  BEARER: 'Bearer token',
  MCP_OAUTH: 'MCP with OAuth',
  NONE: 'No credentials',
  OAUTH2_CLIENT_CREDENTIALS: 'OAuth client credentials',
  OAUTH2_CODE: 'OAuth sign-in',
  REQUEST_SIGNATURE: 'Signed requests',
  SERVICE_ACCOUNT_JWT: 'Service account key',
  TWO_STEP: 'Log in, then token',
};

export const actionNames: Record<AuditAction, string> = {
  ACCOUNT_SHREDDED: 'Account shredded',
  API_KEY_CREATED: 'API key made',
  API_KEY_REVOKED: 'API key revoked',
  DATA_KEY_ROTATED: 'Data key replaced',
  INSTALLATION_INSTALLED: 'Installed',
  INSTALLATION_PURGED: 'Data erased',
  INSTALLATION_UNINSTALLED: 'Uninstalled',
  INSTALLATION_UPDATED: 'Updated',
  INTEGRATION_CREATED: 'Integration created',
  INTEGRATION_DELETED: 'Integration deleted',
  INTEGRATION_DEPRECATED: 'Integration deprecated',
  INTEGRATION_UPDATED: 'Integration changed',
  PROVIDER_KEY_RETIRED: 'Provider key retired',
  PROVIDER_KEY_REWRAPPED: 'Data keys wrapped anew',
  SECRETS_READ: 'Secrets read',
};

export const actorNames: Record<ActorKind, string> = {
  ANONYMOUS: 'someone',
  API_KEY: 'an API key',
  GATEWAY: 'the gateway',
  OPERATOR: 'an operator',
  SYSTEM: 'the server',
  TOKEN: 'a token',
};

export const count = (number: number, one: string, many: string) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
