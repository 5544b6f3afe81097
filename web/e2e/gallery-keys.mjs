// The gallery on a server that asks for an API key:
//   KEY=pb_live_… node e2e/gallery-keys.mjs http://127.0.0.1:8080 target/e2e/gallery-keys
// The key is for one account, with the scopes installations:read and installations:write alone.

import { audit } from './accessibility.mjs';
import { assert, excludes, includes, run, until } from './harness.mjs';

const KEY = process.env.KEY;
const SECRET = 'sk_test_CANARY_gallery_3';
const UNKNOWN = /^(401 |Failed to load resource: the server responded with a status of 401)/;

await run(
  'gallery-keys',
  async ({ page, base, check, screenshot }) => {
    const address = path => new URL(path, base).href;
    const requests = [];
    page.on('request', request => {
      if (new URL(request.url()).pathname === '/graphql') requests.push(request.headers());
    });
    const button = name => page.getByRole('button', { name, exact: true });
    const keyField = () => page.getByLabel('API key or token');
    const enter = async key => {
      await keyField().fill(key);
      await button('Continue').click();
    };
    const list = () => page.locator('.results [role=status]').filter({ hasText: /^\d+ integrations$/ }).waitFor();

    await check('the key is asked for, and nothing of the server before', async () => {
      assert(KEY, 'KEY is not set');
      await page.goto(address('/ui/stripe'));
      await page.getByRole('heading', { level: 1, name: 'Who are you?' }).waitFor();
      assert((await keyField().getAttribute('type')) === 'password', 'the key is not masked');
      await audit(page, 'key', screenshot);
      await button('Continue').click();
      await page.getByText('This server asks for an API key or a token.').waitFor();
      await enter('two words');
      await page.getByText('A key has no spaces').waitFor();
      assert(requests.length === 0, `${requests.length} requests without a key`);
    });

    await check('a wrong key is told, and another can be given', async () => {
      await enter('pb_live_wrong');
      await page.getByRole('heading', { name: 'The server does not know who you are' }).first().waitFor();
      await screenshot('wrong.png');
      await button('Change account or key').first().click();
      await page.getByRole('dialog').waitFor();
      await audit(page, 'key-dialog', file => screenshot(file));
      await enter(KEY);
      await page.getByRole('heading', { level: 1, name: 'Stripe' }).waitFor();
      assert(requests.at(-1).authorization === `Bearer ${KEY}`, 'the key is not sent');
      assert(requests.at(-1)['x-account-id'] === undefined, 'an account that nobody named');
    });

    await check('what the key may not do is told, and the rest works', async () => {
      await page.getByLabel('Secret or restricted key').fill(SECRET);
      await button('Install').click();
      await page.getByText('Stripe is installed.').waitFor();
      await until(async () => (await page.locator('section:has(#events)').innerText()).includes('This is not allowed with your key'), 'the events refused');
      await button('Purge…').click();
      await button('Erase for good').click();
      await until(async () => (await page.locator('section:has(#endings)').innerText()).includes('This is not allowed with your key'), 'the purge refused');
      includes(await page.locator('section:has(#endings)').innerText(), 'secrets:purge', 'the refusal');
      await audit(page, 'refused', screenshot);
      await button('Uninstall').click();
      await page.getByText('Stripe is uninstalled.').waitFor();
    });

    await check('the key is kept in the page alone', async () => {
      const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, document.cookie]));
      excludes(kept, KEY, 'what the browser keeps');
      await page.getByRole('link', { name: '← All integrations' }).click();
      await list();
      await page.reload();
      await keyField().waitFor();
      assert((await keyField().inputValue()) === '', 'the key is still there');
    });

    await check('an account that the key is not for is told', async () => {
      await page.getByLabel(/^Account/).fill('someone_else');
      await enter(KEY);
      await page.locator('.trouble').first().waitFor();
      includes(await page.locator('.trouble').first().innerText(), 'This is not allowed with your key', 'the page');
    });
  },
  { expected: [UNKNOWN, /^403 /, /status of 403/] },
);
