// Installs an integration with Relay: its compiler makes artifacts of schema.graphql and the documents in gallery.ts.
//   node dist/relay/program.js http://127.0.0.1:8080

import { assert, run } from '../harness.mjs';
import { name, params, search, secrets, sum, text, wrongParams } from '../journey';
import type { gallery_card$data } from './generated/gallery_card.graphql';
import INSTALL, { type galleryInstallMutation } from './generated/galleryInstallMutation.graphql';
import type { galleryEntryQuery } from './generated/galleryEntryQuery.graphql';
import UNINSTALL, { type galleryUninstallMutation } from './generated/galleryUninstallMutation.graphql';
import VALIDATE, { type galleryValidateMutation } from './generated/galleryValidateMutation.graphql';
import { Shown } from './shown';

/** Fewer than the catalog has. */
const PAGE = 20;

const integration = { name };

void run(async ({ base, check }) => {
  const shown = new Shown(base);

  await check('a search with a letter missing finds it, and counts are told', async () => {
    const { integrations } = await shown.show({ search, count: PAGE });
    const { edges, totalCount, categoryCounts, statusCounts } = integrations;
    const names = edges.map(({ node }) => shown.card(node).name);
    assert(names.includes(name), `found: ${text(names)}`);
    assert(totalCount === names.length, `${totalCount} in all, ${names.length} listed`);
    assert(sum(categoryCounts.map(({ count }) => count)) === totalCount, `by category: ${text(categoryCounts)}`);
    const installed = statusCounts.find(({ status }) => status === 'INSTALLED');
    assert(installed?.count === 0, `installed by nobody: ${text(statusCounts)}`);
  });

  await check('a connection grows page by page until it holds the list', async () => {
    let { integrations } = await shown.show({ count: PAGE });
    let pages = 1;
    while (integrations.pageInfo.hasNextPage) {
      const before = integrations.edges.length;
      ({ integrations } = await shown.more(PAGE));
      assert(integrations.edges.length > before, `page ${pages + 1} adds nothing to ${before} edges`);
      pages++;
    }
    const ids = integrations.edges.map(({ node }) => node.id);
    assert(pages === Math.ceil(integrations.totalCount / PAGE) && pages > 1, `${pages} pages`);
    assert(ids.length === integrations.totalCount, `${ids.length} edges, ${integrations.totalCount} in all`);
    assert(new Set(ids).size === ids.length, 'an integration is on two pages');
  });

  await check('a dry run tells what would be refused, and stores nothing', async () => {
    const validate = async (input: galleryValidateMutation['variables']['input']) => {
      const { validateInstallation } = await shown.commit<galleryValidateMutation>(VALIDATE, { input });
      assert(validateInstallation, 'no verdict');
      return validateInstallation;
    };
    const wrong = await validate({ integration, params: wrongParams });
    assert(!wrong.valid, 'a value that breaks its pattern is valid');
    assert(wrong.userErrors[0]?.pointer === '/params/api_version', `at fault: ${text(wrong.userErrors)}`);
    assert(wrong.missingFields.join() === 'secrets.api_key', `missing: ${text(wrong.missingFields)}`);
    const right = await validate({ integration, params, secrets });
    assert(right.valid && !right.userErrors.length, `what is right is not valid: ${text(right)}`);
    const { status, secretNames } = shown.card(await shown.entry());
    assert(status === 'AVAILABLE' && secretNames.length === 0, `stored by a dry run: ${status} ${text(secretNames)}`);
  });

  await check('a refusal names the field', async () => {
    const input = { integration, params: wrongParams, secrets };
    const { installIntegration: refused } = await shown.commit<galleryInstallMutation>(INSTALL, { input });
    assert(refused && !refused.integration && !refused.changed, `not refused: ${text(refused)}`);
    const [problem, ...others] = refused.userErrors;
    assert(problem?.code === 'PARAMS_INVALID' && others.length === 0, `problems: ${text(refused.userErrors)}`);
    assert(problem.field?.join('.') === 'input.params.api_version', `at fault: ${text(problem)}`);
    assert(shown.card(await shown.entry()).status === 'AVAILABLE', 'installed in spite of the refusal');
  });

  await check('the form tells what is secret', async () => {
    const field = (await shown.entry()).fields.find(({ name }) => name === 'api_key');
    assert(field?.secret && field.part === 'SECRETS', `field: ${text(field)}`);
    assert(field.pattern && new RegExp(field.pattern).test(secrets.api_key), `pattern: ${field.pattern}`);
  });

  await check('an installation shows in the list without asking again', async () => {
    const input = { integration, params, secrets };
    const { installIntegration: done } = await shown.commit<galleryInstallMutation>(INSTALL, { input });
    assert(done?.changed && done.integration && !done.userErrors.length, `installing: ${text(done)}`);
    isInstalled(shown.card(done.integration));
    isInstalled(shown.listed());
  });

  await check('a card is asked for again by its id', async () => {
    const other = new Shown(base);
    await other.show({ search, count: PAGE });
    isInstalled(other.listed());
    const { uninstallIntegration: done } = await shown.commit<galleryUninstallMutation>(UNINSTALL, { input: { integration } });
    assert(done?.changed && done.integration && !done.userErrors.length, `uninstalling: ${text(done)}`);
    isInstalled(other.listed());
    await other.refetch(other.listed().id);
    for (const { status, installedAt, secretNames } of [other.listed(), shown.card(done.integration), shown.listed()]) {
      assert(status === 'AVAILABLE' && !installedAt, `status: ${status} ${installedAt}`);
      assert(secretNames.join() === 'api_key', `names of secrets: ${text(secretNames)}`);
    }
  });
});

function isInstalled(card: gallery_card$data): void {
  assert(card.status === 'INSTALLED' && card.installedAt, `status: ${card.status}`);
  assert(text(card.params) === text(params), `params: ${text(card.params)}`);
  assert(card.secretNames.join() === 'api_key', `names of secrets: ${text(card.secretNames)}`);
  assert(card.missingFields.length === 0, `missing: ${text(card.missingFields)}`);
}

/** Never called: what the types have to refuse. Were they `any`, the compiler would miss an error. */
export function refusedByTheTypes(card: gallery_card$data, entry: galleryEntryQuery['response']): unknown[] {
  // @ts-expect-error params are an object
  const input: galleryInstallMutation['variables']['input'] = { integration, params: 'none' };
  return [
    input,
    // @ts-expect-error no value of a secret is ever shown
    card.secrets,
    // @ts-expect-error no such status
    card.status === 'installed',
    // @ts-expect-error only the fragment that asked for it may read it
    entry.integration?.secretNames,
    // @ts-expect-error there may be none
    entry.integration.fields,
  ];
}
