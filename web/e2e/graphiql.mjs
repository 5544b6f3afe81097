// GraphiQL in a real browser, against a running Patchbay:
//   node e2e/graphiql.mjs http://127.0.0.1:8080 target/e2e
// Installs and uninstalls Stripe for the accounts `acme` and `globex`; it ends with Stripe not installed.

import { assert, excludes, includes, run, until } from './harness.mjs';

const SECRETS = ['sk_test_example_0000', 'whsec_example_0000'];

await run('graphiql', async ({ page, base, check, screenshot }) => {
  const sockets = []; // subscriptions
  page.on('websocket', socket => {
    const record = { url: socket.url(), sent: [], received: [], closed: false };
    socket.on('framesent', frame => record.sent.push(String(frame.payload)));
    socket.on('framereceived', frame => record.received.push(String(frame.payload)));
    socket.on('close', () => (record.closed = true));
    sockets.push(record);
  });

  /** The whole text of one of GraphiQL's editors, as the editor component holds it (its DOM has the visible lines only). */
  const editorText = file =>
    page.evaluate(
      file => globalThis.__MONACO?.editor.getModels().find(model => model.uri.path.endsWith(file))?.getValue() ?? '',
      file,
    );
  const response = () => editorText('response.json');
  const shown = selector => page.locator(selector).innerText().then(text => text.replaceAll('\u00a0', ' '));

  /** What the response panel has painted, which is later than what its editor holds. */
  const panelShows = part =>
    until(async () => {
      const panel = await shown('.graphiql-response .view-lines');
      return panel.includes(part) && panel;
    }, `${part} in the response panel`);

  const execute = async () => {
    const [answer] = await Promise.all([
      page.waitForResponse(answer => new URL(answer.url()).pathname === '/graphql'),
      page.locator('.graphiql-execute-button').click(),
    ]);
    const expected = JSON.stringify(await answer.json(), null, 2);
    await until(async () => (await response()) === expected, 'the response in its panel');
    return { text: expected, json: JSON.parse(expected), request: answer.request() };
  };
  const openTab = async (name, start) => {
    await page.locator(`.graphiql-tab-button[title="${name}"]`).click();
    await until(async () => (await editorText('operation.graphql')).includes(start), `the text of tab ${name}`);
  };
  const fromOutside = async (account, query, variables) => {
    const answer = await fetch(new URL('/graphql', base), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-account-id': account },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(10_000),
    });
    return answer.json();
  };
  const install = account =>
    fromOutside(account, 'mutation { installIntegration(input: { integration: { name: "stripe" } }) { changed } }');
  const uninstall = account =>
    fromOutside(account, 'mutation { uninstallIntegration(input: { integration: { name: "stripe" } }) { changed } }');

  await check('the page opens and shows the editor', async () => {
    await uninstall('acme');
    const answer = await page.goto(new URL('/graphiql', base).href, { waitUntil: 'load' });
    assert(answer.status() === 200, `GET /graphiql: ${answer.status()}`);
    await page.locator('.graphiql-query-editor .view-lines').waitFor();
    await until(async () => (await shown('.graphiql-query-editor .view-lines')).includes('query ListIntegrations'), 'the query');
    assert((await page.title()) === 'Patchbay GraphiQL', `title: ${await page.title()}`);
    await screenshot('open.png');
  });

  await check('it has a tab for each example', async () => {
    const names = await page.locator('.graphiql-tab-button').allInnerTexts();
    const expected = ['ListIntegrations', 'InstallStripe', 'GetStripe', 'UninstallStripe', 'WatchChanges'];
    assert(names.join() === expected.join(), `tabs: ${names.join()}`);
  });

  await check('the account header is prefilled', async () => {
    const headers = await until(async () => {
      const painted = await shown('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines');
      return painted.trim().endsWith('}') && painted;
    }, 'the headers editor');
    assert(JSON.parse(headers)['X-Account-ID'] === 'acme', headers);
  });

  await check('the schema is loaded into the documentation explorer', async () => {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.locator('.graphiql-doc-explorer').getByText('Mutation', { exact: true }).waitFor();
    await screenshot('documentation.png');
    await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click();
  });

  await check('list: shows stripe and the total', async () => {
    const { text, json, request } = await execute();
    includes(text, '"stripe"', 'the response');
    const { totalCount, categoryCounts } = json.data.integrations;
    assert(Number.isInteger(totalCount) && totalCount > 0, `totalCount: ${totalCount}`);
    assert(categoryCounts.some(({ category, count }) => category === 'payments' && count === totalCount), JSON.stringify(categoryCounts));
    await panelShows('"integrations"');
    assert(request.method() === 'POST', request.method());
    const headers = await request.allHeaders();
    assert(headers['x-account-id'] === 'acme', `X-Account-ID: ${headers['x-account-id']}`);
    assert(headers.accept === 'application/graphql-response+json, application/json', `Accept: ${headers.accept}`);
    await screenshot('list.png');
  });

  await check('install: Stripe is INSTALLED, and no secret comes back', async () => {
    await openTab('InstallStripe', 'mutation InstallStripe');
    await page.locator('.graphiql-editor-tools button[data-name="variables"]').click();
    await until(async () => (await editorText('variables.json')).includes('api_version'), 'the variables');
    const { text, json } = await execute();
    await screenshot('install.png');
    includes(text, 'INSTALLED', 'the response');
    const { integration, changed, userErrors } = json.data.installIntegration;
    assert(integration.status === 'INSTALLED' && changed === true && userErrors.length === 0, text);
    assert(integration.params.api_version === '2025-09-30.clover', text);
    for (const secret of SECRETS) excludes(text, secret, 'the response');
  });

  await check('get: status and names of secrets, never their values', async () => {
    await openTab('GetStripe', 'query GetStripe');
    const { text, json } = await execute();
    await screenshot('get.png');
    assert(json.data.integration.status === 'INSTALLED', text);
    assert(json.data.integration.secretNames.join() === 'api_key,webhook_secret', text);
    const panel = await panelShows('"secretNames"');
    for (const secret of SECRETS) {
      excludes(text, secret, 'the response');
      excludes(panel, secret, 'the response panel');
    }
  });

  await check('uninstall: Stripe is AVAILABLE', async () => {
    await openTab('UninstallStripe', 'mutation UninstallStripe');
    const { text, json } = await execute();
    await screenshot('uninstall.png');
    const { integration, changed } = json.data.uninstallIntegration;
    assert(integration.status === 'AVAILABLE' && integration.installedAt === null && changed === true, text);
  });

  await check('subscription: a change made elsewhere arrives', async () => {
    await openTab('WatchChanges', 'subscription WatchChanges');
    await page.locator('.graphiql-execute-button').click();
    await until(() => sockets.at(-1)?.sent.some(frame => frame.includes('"subscribe"')), 'the subscription to start');
    const socket = sockets.at(-1);
    assert(socket.url === `${base.protocol === 'https:' ? 'wss' : 'ws'}://${base.host}/graphql/ws`, socket.url);
    const init = JSON.parse(socket.sent[0]);
    assert(init.type === 'connection_init' && init.payload?.['X-Account-ID'] === 'acme', socket.sent[0]);

    await install('globex'); // not ours: must not arrive
    // `subscribe` has no acknowledgement: until the server listens, a change is lost
    const text = await until(async () => {
      await uninstall('acme');
      await install('acme');
      await new Promise(resolve => setTimeout(resolve, 500));
      const text = await response();
      return text.includes('INSTALLED') && text;
    }, 'the change');
    await screenshot('subscription.png');
    const { name, status } = JSON.parse(text).data.integrationChanged;
    assert(name === 'stripe' && ['INSTALLED', 'AVAILABLE'].includes(status), text);
  });

  await check('subscription: the stop button closes the socket', async () => {
    await page.locator('.graphiql-execute-button').click();
    await until(() => sockets.at(-1).closed, 'the socket to close');
    await uninstall('acme');
    await uninstall('globex');
  });

  await check('prettify works on query, variables and headers', async () => {
    await page.locator('.graphiql-tab-add').click();
    await page.locator('.graphiql-query-editor .view-lines').click();
    await page.keyboard.insertText('query Q($n:String!){integration(by:{name:$n}){name}}');
    await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').click();
    await page.keyboard.insertText('{"n":"stripe" /* kept */}');
    await page.getByRole('button', { name: /^Prettify/ }).click();
    await until(async () => (await editorText('operation.graphql')).includes('query Q($n: String!) {\n  integration('), 'the query');
    const variables = await editorText('variables.json');
    assert(variables === '{\n  "n": "stripe" /* kept */\n}', `variables: ${variables}`);
    assert(JSON.parse(await editorText('request-headers.json'))['X-Account-ID'] === 'acme', 'headers');
    const { json } = await execute();
    assert(json.data.integration.name === 'stripe', JSON.stringify(json));
  });

  await check('the language workers run: a wrong field is underlined, a right one is offered', async () => {
    await page.locator('.graphiql-query-editor .view-lines').click();
    await page.keyboard.press('Control+A');
    await page.keyboard.insertText('{ nonsense }');
    await page.locator('.graphiql-query-editor .squiggly-error').first().waitFor();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('{ integrat');
    await page.locator('.suggest-widget.visible').getByText('integrations').first().waitFor();
    await screenshot('completion.png');
    await page.keyboard.press('Escape');
    const urls = page.workers().map(worker => worker.url());
    assert(urls.length >= 2 && urls.every(url => url.startsWith(new URL('/graphiql/assets/', base).href)), urls.join('\n'));
  });

  await check('an edited account holds for every tab and is sent', async () => {
    await page.locator('.graphiql-editor-tools button[data-name="headers"]').click();
    await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').getByText('acme').dblclick();
    await page.keyboard.type('globex');
    await page.keyboard.press('End');
    await page.keyboard.insertText(', "X-Other": "not-to-be-kept"');
    const typed = JSON.parse(await editorText('request-headers.json'));
    assert(typed['X-Account-ID'] === 'globex' && typed['X-Other'] === 'not-to-be-kept', JSON.stringify(typed));
    await openTab('ListIntegrations', 'query ListIntegrations');
    await until(async () => (await editorText('request-headers.json')).includes('globex'), 'the account in the first tab');
    const { request } = await execute();
    assert((await request.allHeaders())['x-account-id'] === 'globex', 'X-Account-ID of the request');
    await screenshot('account.png');
  });

  await check('the history lists what ran', async () => {
    await page.getByRole('button', { name: 'Show History' }).click();
    await page.locator('.graphiql-history-item').first().waitFor();
    await screenshot('history.png');
    await page.getByRole('button', { name: 'Hide History' }).click();
  });

  await check('the browser keeps no secret, no query and no other header', async () => {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    for (const text of [...SECRETS, 'not-to-be-kept', 'installIntegration', 'tabState']) excludes(kept, text, 'the storage');
  });

  await check('a shared link opens with its operation, and sends nothing but the introspection query', async () => {
    const sent = [];
    const record = request => {
      if (new URL(request.url()).pathname === '/graphql') sent.push(request.postDataJSON());
    };
    page.on('request', record);
    const link = new URL('/graphiql', base);
    link.searchParams.set(
      'query',
      'mutation First { installIntegration(input: { integration: { name: "stripe" } }) { changed } }\n' +
        'query Second($name: String!) { integration(by: { name: $name }) { name status } }',
    );
    link.searchParams.set('variables', '{"name":"stripe"}');
    link.searchParams.set('operationName', 'Second');
    const subscriptions = sockets.length;
    await page.goto(link.href, { waitUntil: 'load' });
    await until(async () => (await editorText('operation.graphql')).includes('mutation First'), 'the query');
    assert((await editorText('variables.json')) === '{\n  "name": "stripe"\n}', 'the variables');
    assert((await page.locator('.graphiql-tab-button').count()) === 6, 'tabs');
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.locator('.graphiql-doc-explorer').getByText('Mutation', { exact: true }).waitFor(); // the schema is there
    await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click();
    await page.waitForTimeout(1_000);
    await screenshot('shared.png');
    assert(sent.length > 0 && sent.every(({ query }) => query.includes('__schema')), JSON.stringify(sent));
    assert(sockets.length === subscriptions, 'a socket was opened');
    await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').click();
    const [request] = await Promise.all([
      page.waitForRequest(request => new URL(request.url()).pathname === '/graphql'),
      page.keyboard.press('Control+Enter'),
    ]);
    page.off('request', record);
    const { operationName, variables } = request.postDataJSON();
    assert(operationName === 'Second' && variables.name === 'stripe', request.postData());
    await panelShows('"AVAILABLE"');
    await page.goto(new URL('/graphiql', base).href, { waitUntil: 'load' });
  });

  await check('after a reload the account is remembered, the rest is fresh', async () => {
    await page.reload({ waitUntil: 'load' });
    await until(async () => (await editorText('request-headers.json')).includes('globex'), 'the account');
    excludes(await editorText('request-headers.json'), 'not-to-be-kept', 'the headers editor');
    assert((await page.locator('.graphiql-tab-button').count()) === 5, 'tabs');
    await page.evaluate(() => localStorage.clear());
  });
});
