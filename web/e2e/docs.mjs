// The Swagger UI page in a real browser, against a running Patchbay:
//   node e2e/docs.mjs http://127.0.0.1:8080 target/e2e
// Installs Stripe for the account `docs`, and uninstalls it.

import { assert, excludes, includes, run } from './harness.mjs';

const SECRETS = ['sk_test_example_0000', 'whsec_example_0000'];

await run('docs', async ({ page, base, check, screenshot }) => {
  const block = operationId => page.locator(`.opblock[id$="-${operationId}"]`);

  /** Presses the operation's button; gives what was sent and what came back, once the page shows it. */
  const execute = async operationId => {
    const operation = block(operationId);
    const [answer] = await Promise.all([
      page.waitForResponse(answer => new URL(answer.url()).pathname.startsWith('/api/v1/integrations')),
      operation.getByRole('button', { name: 'Execute' }).click(),
    ]);
    await operation.locator('.live-responses-table .response .response-col_status').first().getByText(String(answer.status())).waitFor();
    return { answer, text: await answer.text(), headers: await answer.request().allHeaders() };
  };

  await check('the page opens', async () => {
    const answer = await page.goto(new URL('/docs', base).href, { waitUntil: 'load' });
    assert(answer.status() === 200, `GET /docs: ${answer.status()}`);
    assert(new URL(page.url()).origin === base.origin, page.url());
  });

  await check('it lists every operation of the document', async () => {
    const document = await (await fetch(new URL('/api/v1/openapi.json', base))).json();
    const ids = Object.values(document.paths).flatMap(item => Object.values(item).map(({ operationId }) => operationId));
    for (const id of ids) await block(id).waitFor();
    assert((await page.locator('.opblock').count()) === ids.length, 'more operations than in the document');
    await screenshot('docs.png');
  });

  await check('the account is asked for once, and sent from then on', async () => {
    await page.locator('.auth-wrapper .authorize').click();
    const dialog = page.locator('.dialog-ux');
    includes(await dialog.innerText(), 'X-Account-ID', 'the dialog');
    const account = dialog.locator('.auth-container').filter({ has: page.locator('#api_key_value') });
    await account.locator('input').fill('docs');
    await screenshot('authorize.png');
    await account.getByRole('button', { name: 'Apply credentials' }).click();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
  });

  await check('the list, with the form as it is, shows something', async () => {
    await block('listIntegrations').locator('.opblock-summary').click();
    const { answer, text, headers } = await execute('listIntegrations');
    assert(headers['x-account-id'] === 'docs', `X-Account-ID: ${headers['x-account-id']}`);
    assert(answer.status() === 200 && JSON.parse(text).total > 0, `${answer.url()}: ${text}`);
    await screenshot('list.png');
    await block('listIntegrations').locator('.opblock-summary').click();
  });

  await check('install, with the form as it is, installs; the secrets do not come back', async () => {
    await block('installIntegration').locator('.opblock-summary').click();
    const { answer, text } = await execute('installIntegration');
    assert(answer.status() === 200, text);
    const { integration, changed } = JSON.parse(text);
    assert(integration.status === 'installed' && changed && integration.missing_fields.length === 0, text);
    await block('installIntegration').locator('.live-responses-table').scrollIntoViewIfNeeded();
    await screenshot('install.png');
    // The schema has the same values as examples.
    const rest = JSON.stringify({ ...integration, secrets_schema: null, fields: null });
    for (const secret of SECRETS) excludes(rest, secret, 'the answer');
    await block('installIntegration').locator('.opblock-summary').click();
  });

  await check('uninstall, with the form as it is, uninstalls', async () => {
    await block('uninstallIntegration').locator('.opblock-summary').click();
    const { answer, text } = await execute('uninstallIntegration');
    assert(answer.status() === 200 && JSON.parse(text).integration.status === 'available', text);
  });

  await check('the browser keeps neither the account nor a secret', async () => {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert(kept === '[{},{},""]', kept);
  });
});
