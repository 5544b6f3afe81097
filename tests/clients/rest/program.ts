// Installs an integration over REST, with types that openapi-typescript makes of openapi.json:
//   node dist/rest/program.js http://127.0.0.1:8080

import createClient, { type Client } from 'openapi-fetch';
import { assert, run } from '../harness.mjs';
import { account, name, params, search, secrets, showsNoSecret, sum, text, wrongParams } from '../journey';
import type { components, paths } from './generated/openapi';

type Integration = components['schemas']['Integration'];
type Item = components['schemas']['IntegrationItem'];
type Problem = components['schemas']['Problem'];

const path = { id: name };

/** Fewer than the catalog has. */
const PAGE = 20;

void run(async ({ base, check }) => {
  const client = createClient<paths>({
    baseUrl: base,
    headers: { 'X-Account-ID': account, Accept: 'application/json, application/problem+json' },
  });
  client.use({ onResponse: async ({ response }) => showsNoSecret(await response.clone().text()) });
  const read = async (): Promise<Integration> => {
    const { data, error } = await client.GET('/api/v1/integrations/{id}', { params: { path } });
    assert(data, `reading: ${text(error)}`);
    return data;
  };

  await check('a search with a letter missing finds it, and counts are told', async () => {
    const query = { search, status: 'available', order: 'relevance' } as const;
    const { data, error } = await client.GET('/api/v1/integrations', { params: { query } });
    assert(data, `listing: ${text(error)}`);
    assert(data.integrations[0]?.name === name, `found first: ${text(data.integrations[0])}`);
    assert(data.total === data.integrations.length, `${data.total} in all, ${data.integrations.length} listed`);
    assert(sum(Object.values(data.category_counts)) === data.total, `by category: ${text(data.category_counts)}`);
    assert(data.category_counts[data.integrations[0].category], `none in its category: ${text(data.category_counts)}`);
    assert(data.status_counts.installed === 0, `installed by nobody: ${text(data.status_counts)}`);
  });

  await check('pages make up the list', async () => {
    const whole = await client.GET('/api/v1/integrations', { params: { query: { order: 'name' } } });
    assert(whole.data, `listing: ${text(whole.error)}`);
    const paged = await pages(client);
    assert(paged.length > 1, 'everything is on one page');
    const names = (items: readonly Item[]) => items.map(item => item.name).join();
    assert(names(paged.flat()) === names(whole.data.integrations), 'the pages hold other items than the list');
  });

  await check('a dry run tells what would be refused, and stores nothing', async () => {
    const wrong = await client.POST('/api/v1/integrations/{id}/validate', {
      params: { path },
      body: { params: wrongParams },
    });
    assert(wrong.data, `validating: ${text(wrong.error)}`);
    assert(!wrong.data.valid, 'a value that breaks its pattern is valid');
    assert(wrong.data.errors[0]?.pointer === '/params/api_version', `at fault: ${text(wrong.data.errors)}`);
    assert(wrong.data.missing_fields.join() === 'secrets.api_key', `missing: ${text(wrong.data.missing_fields)}`);
    const right = await client.POST('/api/v1/integrations/{id}/validate', { params: { path }, body: { params, secrets } });
    assert(right.data?.valid && !right.data.errors.length, `what is right is not valid: ${text(right.data ?? right.error)}`);
    const { status, secret_names } = await read();
    assert(status === 'available' && secret_names.length === 0, `stored by a dry run: ${status} ${text(secret_names)}`);
  });

  await check('a refusal names the field', async () => {
    const { error, response } = await client.POST('/api/v1/integrations/{id}/install', {
      params: { path },
      body: { params: wrongParams, secrets },
    });
    const problem = asProblem(error);
    assert(response.status === 422 && problem.status === 422, `status ${response.status}: ${text(problem)}`);
    assert(problem.code === 'params_invalid', `code: ${text(problem)}`);
    assert(problem.errors.map(({ pointer }) => pointer).join() === '/params/api_version', `at fault: ${text(problem)}`);
    assert((await read()).status === 'available', 'installed in spite of the refusal');
  });

  await check('an installation stores params and secrets, and can be read back without their values', async () => {
    const { data, error } = await client.POST('/api/v1/integrations/{id}/install', {
      params: { path },
      body: { params, secrets },
    });
    assert(data?.changed, `installing: ${text(data ?? error)}`);
    for (const integration of [data.integration, await read()]) {
      assert(integration.status === 'installed' && integration.installed_at, `status: ${integration.status}`);
      assert(text(integration.params) === text(params), `params: ${text(integration.params)}`);
      assert(integration.secret_names.join() === 'api_key', `names of secrets: ${text(integration.secret_names)}`);
      assert(integration.missing_fields.length === 0, `missing: ${text(integration.missing_fields)}`);
    }
  });

  await check('the form tells what is secret', async () => {
    const field = (await read()).fields.find(({ name }) => name === 'api_key');
    assert(field?.secret && field.required && field.part === 'secrets', `field: ${text(field)}`);
    assert(field.pattern && new RegExp(field.pattern).test(secrets.api_key), `pattern: ${field.pattern}`);
  });

  await check('an uninstall makes it available, and keeps what was stored', async () => {
    const { data, error } = await client.POST('/api/v1/integrations/{id}/uninstall', { params: { path } });
    assert(data?.changed, `uninstalling: ${text(data ?? error)}`);
    const { status, installed_at, secret_names } = data.integration;
    assert(status === 'available' && installed_at === null, `status: ${status} ${installed_at}`);
    assert(secret_names.join() === 'api_key', `names of secrets: ${text(secret_names)}`);
  });

  await check('a name that nobody has is a problem, not an exception', async () => {
    const { error, response } = await client.GET('/api/v1/integrations/{id}', { params: { path: { id: 'nobody' } } });
    assert(response.status === 404, `status ${response.status}`);
    assert(asProblem(error).code === 'integration_not_found', text(error));
  });
});

/** The list by name, page by page. */
async function pages(client: Client<paths>): Promise<Item[][]> {
  const pages: Item[][] = [];
  let cursor: string | null | undefined;
  do {
    const query = { order: 'name', limit: PAGE, ...(cursor && { cursor }) } as const;
    const { data, error } = await client.GET('/api/v1/integrations', { params: { query } });
    assert(data, `page ${pages.length + 1}: ${text(error)}`);
    assert(data.integrations.length <= PAGE, `page ${pages.length + 1} holds ${data.integrations.length}`);
    pages.push(data.integrations);
    cursor = data.next_cursor;
  } while (cursor);
  return pages;
}

/** A failure is a sentence unless `Accept` names problem+json, and the types say so. */
function asProblem(error: string | Problem | undefined): Problem {
  assert(error && typeof error !== 'string', `not a problem: ${text(error)}`);
  return error;
}

/** Never called: what the types have to refuse. Were they `any`, the compiler would miss an error. */
export async function refusedByTheTypes(client: Client<paths>, integration: Integration, item: Item): Promise<unknown[]> {
  return [
    // @ts-expect-error no value of a secret is ever shown
    integration.secrets,
    // @ts-expect-error an item of a list has no form unless it is asked for
    item.fields.length,
    // @ts-expect-error no such status
    integration.status === 'INSTALLED',
    // @ts-expect-error no such order
    await client.GET('/api/v1/integrations', { params: { query: { order: 'newest' } } }),
    // @ts-expect-error params are an object
    await client.POST('/api/v1/integrations/{id}/install', { params: { path }, body: { params: 'none' } }),
    // @ts-expect-error no such route
    await client.GET('/api/v1/nobody'),
  ];
}
