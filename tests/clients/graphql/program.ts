// Installs an integration over GraphQL, with types that graphql-codegen makes of schema.graphql and the documents below:
//   node dist/graphql/program.js http://127.0.0.1:8080

import { assert, run, send } from '../harness.mjs';
import { account, name, params, search, secrets, showsNoSecret, sum, text, wrongParams } from '../journey';
import { graphql } from './generated';
import type {
  InstallIntegrationInput,
  IntegrationCardFragment,
  IntegrationRef,
  ListQuery,
  TypedDocumentString,
} from './generated/graphql';

graphql(`
  fragment IntegrationCard on Integration {
    id
    name
    status
    installedAt
    params
    secretNames
    missingFields
  }
`);

const LIST = graphql(`
  query List($search: String, $status: IntegrationStatus, $orderBy: IntegrationOrder, $first: Int, $after: String) {
    integrations(search: $search, status: $status, orderBy: $orderBy, first: $first, after: $after) {
      nodes {
        name
        category
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
      categoryCounts {
        category
        count
      }
      statusCounts {
        status
        count
      }
    }
  }
`);

const READ = graphql(`
  query Read($by: IntegrationRef!) {
    integration(by: $by) {
      ...IntegrationCard
      fields {
        name
        part
        secret
        required
        type
        pattern
      }
    }
  }
`);

const READ_BY_ID = graphql(`
  query ReadById($id: ID!) {
    node(id: $id) {
      __typename
      ... on Integration {
        ...IntegrationCard
      }
    }
  }
`);

const VALIDATE = graphql(`
  mutation Validate($input: ValidateInstallationInput!) {
    validateInstallation(input: $input) {
      valid
      missingFields
      userErrors {
        code
        pointer
      }
    }
  }
`);

const INSTALL = graphql(`
  mutation Install($input: InstallIntegrationInput!) {
    installIntegration(input: $input) {
      changed
      integration {
        ...IntegrationCard
      }
      userErrors {
        code
        field
        message
      }
    }
  }
`);

const UNINSTALL = graphql(`
  mutation Uninstall($input: UninstallIntegrationInput!) {
    uninstallIntegration(input: $input) {
      changed
      integration {
        ...IntegrationCard
      }
      userErrors {
        code
      }
    }
  }
`);

const integration: IntegrationRef = { name };

/** Fewer than the catalog has. */
const PAGE = 20;

void run(async ({ base, check }) => {
  const ask = <Data, Variables>(document: TypedDocumentString<Data, Variables>, variables: Variables): Promise<Data> =>
    execute(base, document, variables);
  const read = async () => {
    const { integration: found } = await ask(READ, { by: integration });
    assert(found, `${name} is not found`);
    return found;
  };

  await check('a search with a letter missing finds it, and counts are told', async () => {
    const { integrations } = await ask(LIST, { search, status: 'AVAILABLE', orderBy: 'RELEVANCE' });
    const { nodes, totalCount, categoryCounts, statusCounts } = integrations;
    assert(nodes[0]?.name === name, `found first: ${text(nodes[0])}`);
    assert(totalCount === nodes.length, `${totalCount} in all, ${nodes.length} listed`);
    assert(sum(categoryCounts.map(({ count }) => count)) === totalCount, `by category: ${text(categoryCounts)}`);
    const { category } = nodes[0];
    assert(categoryCounts.some(counted => counted.category === category), `none in ${category}: ${text(categoryCounts)}`);
    const installed = statusCounts.find(({ status }) => status === 'INSTALLED');
    assert(installed?.count === 0, `installed by nobody: ${text(statusCounts)}`);
  });

  await check('pages make up the list', async () => {
    const found: string[] = [];
    let page: ListQuery['integrations'];
    let pages = 0;
    let after: string | null = null;
    do {
      page = (await ask(LIST, { orderBy: 'NAME', first: PAGE, after })).integrations;
      assert(page.nodes.length <= PAGE, `page ${pages + 1} holds ${page.nodes.length}`);
      found.push(...page.nodes.map(node => node.name));
      after = page.pageInfo.endCursor;
      pages++;
    } while (page.pageInfo.hasNextPage);
    assert(pages > 1, 'everything is on one page');
    assert(found.length === page.totalCount, `${found.length} on the pages, ${page.totalCount} in all`);
    assert(new Set(found).size === found.length, 'an integration is on two pages');
  });

  await check('a dry run tells what would be refused, and stores nothing', async () => {
    const { validateInstallation: wrong } = await ask(VALIDATE, { input: { integration, params: wrongParams } });
    assert(wrong && !wrong.valid, `a value that breaks its pattern is valid: ${text(wrong)}`);
    assert(wrong.userErrors[0]?.pointer === '/params/api_version', `at fault: ${text(wrong.userErrors)}`);
    assert(wrong.missingFields.join() === 'secrets.api_key', `missing: ${text(wrong.missingFields)}`);
    const { validateInstallation: right } = await ask(VALIDATE, { input: { integration, params, secrets } });
    assert(right?.valid && !right.userErrors.length, `what is right is not valid: ${text(right)}`);
    const { status, secretNames } = await read();
    assert(status === 'AVAILABLE' && secretNames.length === 0, `stored by a dry run: ${status} ${text(secretNames)}`);
  });

  await check('a refusal names the field', async () => {
    const { installIntegration: refused } = await ask(INSTALL, { input: { integration, params: wrongParams, secrets } });
    assert(refused && refused.integration === null && !refused.changed, `not refused: ${text(refused)}`);
    const [problem, ...others] = refused.userErrors;
    assert(problem?.code === 'PARAMS_INVALID' && others.length === 0, `problems: ${text(refused.userErrors)}`);
    assert(problem.field?.join('.') === 'input.params.api_version', `at fault: ${text(problem)}`);
    assert((await read()).status === 'AVAILABLE', 'installed in spite of the refusal');
  });

  await check('an installation stores params and secrets, and can be read back without their values', async () => {
    const { installIntegration: done } = await ask(INSTALL, { input: { integration, params, secrets } });
    assert(done?.changed && done.integration && !done.userErrors.length, `installing: ${text(done)}`);
    for (const card of [done.integration, await read()]) isInstalled(card);
  });

  await check('the same by its id', async () => {
    const { node } = await ask(READ_BY_ID, { id: (await read()).id });
    assert(node?.__typename === 'Integration', `node: ${text(node)}`);
    isInstalled(node);
  });

  await check('the form tells what is secret', async () => {
    const field = (await read()).fields.find(({ name }) => name === 'api_key');
    assert(field?.secret && field.required && field.part === 'SECRETS', `field: ${text(field)}`);
    assert(field.pattern && new RegExp(field.pattern).test(secrets.api_key), `pattern: ${field.pattern}`);
  });

  await check('an uninstall makes it available, and keeps what was stored', async () => {
    const { uninstallIntegration: done } = await ask(UNINSTALL, { input: { integration } });
    assert(done?.changed && done.integration && !done.userErrors.length, `uninstalling: ${text(done)}`);
    const { status, installedAt, secretNames } = done.integration;
    assert(status === 'AVAILABLE' && installedAt === null, `status: ${status} ${installedAt}`);
    assert(secretNames.join() === 'api_key', `names of secrets: ${text(secretNames)}`);
  });

  await check('a name that nobody has is null, and a user error where it was to be installed', async () => {
    const nobody: IntegrationRef = { name: 'nobody' };
    assert((await ask(READ, { by: nobody })).integration === null, 'somebody has it');
    const { installIntegration: refused } = await ask(INSTALL, { input: { integration: nobody } });
    assert(refused?.userErrors[0]?.code === 'INTEGRATION_NOT_FOUND', `refused: ${text(refused)}`);
  });
});

/** Top-level errors are thrown: they are of the server, of limits or of who asks, never of what a person typed. */
async function execute<Data, Variables>(
  base: string,
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const answer = await send(base, '/graphql', { account, body: { query: document.toString(), variables } });
  showsNoSecret(answer.text);
  const { data, errors } = answer.json();
  assert(!errors && data, `GraphQL: ${answer.status} ${answer.text}`);
  return data;
}

function isInstalled(card: IntegrationCardFragment): void {
  assert(card.status === 'INSTALLED' && card.installedAt, `status: ${card.status}`);
  assert(text(card.params) === text(params), `params: ${text(card.params)}`);
  assert(card.secretNames.join() === 'api_key', `names of secrets: ${text(card.secretNames)}`);
  assert(card.missingFields.length === 0, `missing: ${text(card.missingFields)}`);
}

/** Never called: what the types have to refuse. Were they `any`, the compiler would miss an error. */
export async function refusedByTheTypes(base: string, card: IntegrationCardFragment): Promise<unknown[]> {
  // @ts-expect-error exactly one of id and name
  const both: IntegrationRef = { name, id: card.id };
  // @ts-expect-error exactly one of id and name
  const neither: IntegrationRef = {};
  // @ts-expect-error params are an object
  const input: InstallIntegrationInput = { integration, params: 'none' };
  return [
    both,
    neither,
    input,
    // @ts-expect-error no value of a secret is ever shown
    card.secrets,
    // @ts-expect-error not asked for
    card.description,
    // @ts-expect-error no such status
    card.status === 'installed',
    // @ts-expect-error which integration has to be said
    await execute(base, READ, {}),
  ];
}
