// The gallery in a real browser, against a running Patchbay in mode open:
//   node e2e/gallery.mjs http://127.0.0.1:8080 target/e2e/gallery
// Installs, uninstalls and purges Stripe for an account; another looks on.

import { audit } from './accessibility.mjs';
import { assert, excludes, includes, run, until } from './harness.mjs';

// New ones in each run: what an account did stays on record.
const A = `a${Date.now().toString(36)}`;
const B = `b${Date.now().toString(36)}`;
const SECRETS = ['sk_test_CANARY_gallery_1', 'sk_test_CANARY_gallery_2', 'whsec_CANARY_gallery'];

await run('gallery', async ({ page, base, check, screenshot }) => {
  const address = path => new URL(path, base).href;
  const requests = []; // what the page asked, and with which headers
  page.on('request', request => {
    if (new URL(request.url()).pathname === '/graphql') requests.push({ body: request.postDataJSON(), headers: request.headers() });
  });
  const outside = async (account, query) => {
    const answer = await fetch(address('/graphql'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-account-id': account },
      body: JSON.stringify({ query }),
      signal: AbortSignal.timeout(10_000),
    });
    return (await answer.json()).data;
  };
  const purge = account => outside(account, 'mutation { purgeInstallationData(input: { integration: { name: "stripe" } }) { changed } }');
  const text = selector => page.locator(selector).innerText();
  const says = (selector, part) => until(async () => (await text(selector)).includes(part), `"${part}" in ${selector}`);
  const heading = title => page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
  const link = (name, options = {}) => page.getByRole('link', { name, ...options });
  const button = name => page.getByRole('button', { name, exact: true });
  const field = label => page.getByLabel(label).and(page.locator('input'));
  /** The id of what has the focus, else its text. */
  const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent);
  const focusedText = () => page.evaluate(() => document.activeElement?.textContent);
  const found = () => text('.results [role=status]');
  const names = () => page.locator('.card h2').allInnerTexts();
  const search = () => page.getByRole('searchbox', { name: 'Search integrations' });
  const countOf = async title => Number((await link(new RegExp(`^${title} \\d+$`)).locator('.count').innerText()).trim());
  const switchTo = async account => {
    await page.locator('header .account').click();
    await page.getByRole('dialog').getByLabel('Account', { exact: false }).fill(account);
    await page.getByRole('dialog').getByRole('button', { name: 'Continue' }).click();
    await says('header .account', account);
  };

  await page.setViewportSize({ width: 1280, height: 900 });
  let total;

  await check('the list opens, with cards and counts', async () => {
    const answer = await page.goto(address('/ui'), { waitUntil: 'load' });
    assert(answer.status() === 200, `GET /ui: ${answer.status()}`);
    await heading('Integrations');
    await says('.results [role=status]', 'integrations');
    total = Number.parseInt(await found(), 10);
    assert(total >= 150, `${total} integrations`);
    assert((await countOf('All')) === total && (await countOf('Any')) === total, 'the sums are not the total');
    const rows = await page.locator('nav:has(h2:text-is("Categories")) .count').allInnerTexts();
    assert(rows.slice(1).reduce((sum, count) => sum + Number(count), 0) === total, rows.join());
    assert((await page.title()) === 'Integrations · Patchbay', await page.title());
  });

  await check('the account is switched, and sent with every request', async () => {
    await page.locator('header .account').click();
    await page.getByRole('dialog').getByLabel('Account', { exact: false }).fill('No Such!');
    await page.getByRole('dialog').getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('dialog').getByText('Lower-case letters').waitFor();
    await page.keyboard.press('Escape');
    await until(async () => (await focused()).includes('Account'), 'the focus back on the button');
    await switchTo(A);
    await until(() => requests.at(-1).headers['x-account-id'] === A, 'a request of the account');
  });

  await check('search as you type finds, with a letter missing too, and keeps the focus', async () => {
    requests.length = 0;
    await search().pressSequentially('stri', { delay: 20 });
    await until(async () => (await names())[0] === 'Stripe', 'Stripe on top');
    assert(requests.length <= 2, `${requests.length} requests for four letters typed at once`);
    assert(requests.at(-1).body.variables.orderBy === 'RELEVANCE', JSON.stringify(requests.at(-1).body.variables));
    assert(page.url().endsWith('/ui?search=stri'), page.url());
    assert(await search().evaluate(input => input === document.activeElement), 'the focus is elsewhere');
    await search().fill('strpe');
    await until(async () => (await names())[0] === 'Stripe' && page.url().includes('strpe'), 'Stripe for strpe');
    assert((await countOf('All')) === Number.parseInt(await found(), 10), 'the counts do not follow the search');
    await audit(page, 'search', screenshot);
  });

  await check('a stale answer does not replace a newer one', async () => {
    let release;
    const held = new Promise(resolve => (release = resolve));
    await page.route('**/graphql', async route => {
      if (route.request().postDataJSON().variables.search === 'slack') await held;
      await route.continue().catch(() => {}); // let go of by the page
    });
    await search().fill('slack');
    await until(() => requests.at(-1).body.variables.search === 'slack', 'the slow request');
    await search().fill('shopify');
    await until(async () => (await names())[0] === 'Shopify', 'Shopify on top');
    release();
    await page.unroute('**/graphql');
    await page.waitForTimeout(500);
    assert((await names())[0] === 'Shopify', (await names()).join());
  });

  await check('nothing found is said, and the search is cleared', async () => {
    await search().fill('zzzzqqqq');
    await page.getByText('Nothing in the catalog matches').waitFor();
    assert((await found()) === '0 integrations', await found());
    await search().fill('');
    await until(async () => Number.parseInt(await found(), 10) === total, 'the whole list');
    assert(page.url().endsWith('/ui'), page.url());
  });

  await check('category, tag and sign-in narrow the list, in the address too', async () => {
    const payments = await countOf('Payments');
    await link(/^Payments \d+$/).click();
    await until(async () => Number.parseInt(await found(), 10) === payments, `${payments} payments`);
    assert((await countOf('All')) === total, 'category counts do not ignore the category');
    assert((await countOf('Any')) === payments, 'status counts do not follow the category');
    await page.locator('.card').filter({ hasText: 'Stripe' }).getByRole('link', { name: 'Tag: billing' }).click();
    await until(() => page.url().includes('tag=billing') && page.url().includes('category=payments'), 'both in the address');
    await until(async () => Number.parseInt(await found(), 10) < payments, 'fewer');
    const narrowed = await found();
    await page.reload();
    await says('.results [role=status]', narrowed);
    await link('Remove the filter Tag: billing').click();
    await says('.results [role=status]', `${payments} integrations`);
    await page.getByLabel('Sign-in').selectOption('BASIC');
    await until(() => page.url().includes('auth=basic'), 'the sign-in in the address');
    await page.goBack();
    await says('.results [role=status]', `${payments} integrations`);
    await link(/^All \d+$/).click();
    await says('.results [role=status]', `${total} integrations`);
  });

  await check('more are shown on demand, and are there again after a look at one', async () => {
    const before = (await names()).length;
    await page.getByRole('button', { name: /^Show more/ }).click();
    await until(async () => (await names()).length > before, 'more cards');
    const all = await names();
    assert(new Set(all).size === all.length, 'a card is there twice');
    const last = all.at(-1);
    await until(async () => (await focusedText()) === all[before], `the focus on ${all[before]}`);
    await link(last, { exact: true }).click();
    await heading(last);
    await page.goBack();
    await until(async () => (await names()).length === all.length, 'as many as before');
    await until(async () => (await focusedText()) === last, `the focus on ${last}`);
  });

  await check('the list is clean for axe-core', () => audit(page, 'list', screenshot));

  await check('an entry opens by keyboard alone, with the focus on its heading', async () => {
    await page.goto(address('/ui?search=stripe'));
    await until(async () => (await names())[0] === 'Stripe', 'Stripe');
    await page.keyboard.press('Tab');
    assert((await focused()) === 'Skip to the content', await focused());
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert(await search().evaluate(input => input === document.activeElement), `after the skip: ${await focused()}`);
    for (let presses = 0; (await focused()) !== 'card-stripe'; presses++) {
      assert(presses < 60, 'Stripe is not reached with Tab');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await heading('Stripe');
    await until(async () => (await focused()) === 'Stripe', 'the focus on the heading');
    assert((await page.title()) === 'Stripe · Patchbay' && page.url().endsWith('/ui/stripe'), page.url());
    await page.getByText('Nothing has happened yet.').waitFor();
  });

  await check('what is needed and missing is said by the field', async () => {
    await button('Install').click();
    await page.getByText('Needed: without it').waitFor();
    await until(async () => (await focused()) === 'field-secrets.api_key', 'the focus on the key');
    await button('Install without it').waitFor();
  });

  await check('a bad value is said by the field, and nothing is stored', async () => {
    await field('API version').fill('yesterday');
    await field('Secret or restricted key').fill('CANARY_bad');
    await button('Install').click();
    await page.getByText('This must match ^(sk|rk)_').waitFor();
    await until(async () => (await focused()) === 'field-params.api_version', 'the focus on the first fault');
    const described = await field('Secret or restricted key').evaluate(input =>
      input.getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id).textContent).join(' '),
    );
    includes(described, 'This must match', 'the description of the key');
    assert((await field('Secret or restricted key').getAttribute('aria-invalid')) === 'true', 'not marked as wrong');
    const { integration } = await outside(A, '{ integration(by: { name: "stripe" }) { status secretNames params } }');
    assert(integration.status === 'AVAILABLE' && integration.secretNames.length === 0, JSON.stringify(integration));
    await audit(page, 'faults', screenshot);
  });

  await check('put right, it installs', async () => {
    await field('API version').fill('2026-09-30.endive');
    assert((await field('Secret or restricted key').getAttribute('type')) === 'password', 'the key is not masked');
    await field('Secret or restricted key').fill(SECRETS[0]);
    await button('Install').click();
    await page.getByText('Stripe is installed.').waitFor();
    await page.locator('.badge', { hasText: /^Installed$/ }).waitFor();
    await says('.events', 'Installed by someone');
    await says('.events', 'secrets.api_key');
  });

  await check('after a reload params are there, and the secret is stored and not shown', async () => {
    await page.reload();
    await heading('Stripe');
    assert((await field('API version').inputValue()) === '2026-09-30.endive', 'the param is lost');
    await says('.stored', 'Stored, not shown');
    const { markup, typed, kept } = await page.evaluate(() => ({
      markup: document.documentElement.outerHTML,
      typed: [...document.querySelectorAll('input, textarea')].map(input => input.value).join(),
      kept: JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]),
    }));
    for (const secret of SECRETS) for (const where of [markup, typed, kept]) excludes(where, secret, 'the page');
    await audit(page, 'installed', screenshot);
  });

  await check('an update sends what is changed, and no secret that is not', async () => {
    requests.length = 0;
    await field('Webhook signing secret').fill(SECRETS[2]);
    await button('Update').click();
    await page.getByText('Your changes are stored.').waitFor();
    const { input } = requests.find(({ body }) => body.operationName === 'Install').body.variables;
    assert(JSON.stringify(input) === JSON.stringify({ integration: { name: 'stripe' }, secrets: { webhook_secret: SECRETS[2] } }), JSON.stringify(input));
  });

  await check('a secret is replaced, and another removed', async () => {
    requests.length = 0;
    await button('Replace Secret or restricted key').click();
    await until(async () => (await focused()) === 'field-secrets.api_key', 'the focus on the new value');
    await field('Secret or restricted key').fill(SECRETS[1]);
    await button('Remove Webhook signing secret').click();
    await page.getByText('Will be removed when you save').waitFor();
    await screenshot('replace.png');
    await button('Update').click();
    await page.getByText('Your changes are stored.').waitFor();
    const { input } = requests.find(({ body }) => body.operationName === 'Install').body.variables;
    assert(input.params === undefined && input.secrets.api_key === SECRETS[1] && input.secrets.webhook_secret === null, JSON.stringify(input));
    const { integration } = await outside(A, '{ integration(by: { name: "stripe" }) { secretNames } }');
    assert(integration.secretNames.join() === 'api_key', integration.secretNames.join());
  });

  await check('the list has it under Installed', async () => {
    await page.goto(address('/ui'));
    await link(/^Installed 1$/).click();
    await says('.results [role=status]', '1 integration');
    assert((await names()).join() === 'Stripe', (await names()).join());
    await screenshot('installed-list.png');
  });

  await check('another account sees nothing of it', async () => {
    await switchTo(B);
    await says('.results [role=status]', '0 integrations');
    await page.getByText('Nothing is installed yet.').waitFor();
    assert((await countOf('Installed')) === 0, 'counted for the other account');
    await page.goto(address('/ui/stripe'));
    await page.locator('.badge', { hasText: 'Not installed' }).waitFor();
    assert((await field('API version').inputValue()) === '', 'the param of the other account');
    assert((await page.locator('.stored').count()) === 0, 'the secret of the other account');
    await page.getByText('Nothing has happened yet.').waitFor();
    await page.locator('header .account').click();
    await page.getByRole('dialog').getByRole('button', { name: A }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Continue' }).click();
    await says('.stored', 'Stored, not shown');
  });

  await check('an uninstall keeps what is stored', async () => {
    await button('Uninstall').click();
    await page.getByText('Stripe is uninstalled.').waitFor();
    await until(async () => (await focused()) === 'Stripe', 'the focus on the heading');
    await page.locator('.badge', { hasText: 'Not installed' }).waitFor();
    await says('.stored', 'Stored, not shown');
  });

  await check('a purge asks first, in a dialog that keeps the focus and gives it back', async () => {
    await button('Purge…').click();
    const dialog = page.getByRole('dialog', { name: 'Purge Stripe?' });
    await dialog.waitFor();
    assert((await focused()) === 'Cancel', await focused());
    await audit(page, 'dialog', file => screenshot(file)); // of a whole page the backdrop covers but a part
    await page.keyboard.press('Escape');
    await until(async () => (await focused()) === 'Purge…', 'the focus back on the button');
    const { integration } = await outside(A, '{ integration(by: { name: "stripe" }) { secretNames } }');
    assert(integration.secretNames.length === 1, 'purged without a word');
    await button('Purge…').click();
    await button('Erase for good').click();
    await page.getByText('What was stored for Stripe is erased.').waitFor();
    await until(async () => (await focused()) === 'Stripe', 'the focus on the heading');
    assert((await page.locator('.stored').count()) === 0 && (await field('API version').inputValue()) === '', 'something is left');
    for (const part of ['Data erased', 'Uninstalled', 'Updated', 'Installed']) await says('.events', part);
    await screenshot('events.png');
  });

  await check('what goes wrong is said in plain words, and tried again', async () => {
    const refuse = (code, message, more = {}) => route =>
      route.fulfill({ json: { data: null, errors: [{ message, extensions: { code, requestId: 'req-1', ...more } }] } });
    for (const [answer, title, part] of [
      [refuse('RATE_LIMITED', 'Too many requests', { retryAfter: 7 }), 'Too many requests', 'Try again in 7 seconds.'],
      [refuse('UNAUTHENTICATED', 'Unknown credential'), 'The server does not know who you are', 'Unknown credential.'],
      [refuse('FORBIDDEN', 'Needs a scope'), 'This is not allowed with your key', 'Needs a scope.'],
      [refuse('INTERNAL', 'Internal error'), 'The server could not do this', 'req-1'],
      [route => route.abort('internetdisconnected'), 'The server cannot be reached', 'try again'],
      [route => route.fulfill({ contentType: 'text/html', body: '<h1>Bad gateway</h1>' }), 'This is not an answer of Patchbay', 'HTTP 200'],
    ]) {
      await page.route('**/graphql', answer);
      await page.goto(address('/ui'));
      await says('.trouble', title);
      includes(await text('.trouble'), part, 'the error');
      if (title.startsWith('Too many')) await audit(page, 'trouble', screenshot);
      await page.unroute('**/graphql');
    }
    await button('Try again').click();
    await says('.results [role=status]', `${total} integrations`);
  });

  await check('a failed install keeps what was typed, and can be sent again', async () => {
    await page.goto(address('/ui/stripe'));
    await field('Secret or restricted key').fill(SECRETS[0]);
    await page.route('**/graphql', route =>
      route.request().postDataJSON().operationName === 'Install'
        ? route.fulfill({ json: { data: null, errors: [{ message: 'Secret encryption service unavailable', extensions: { code: 'SECRETS_UNAVAILABLE', retryAfter: 1 } }] } })
        : route.continue(),
    );
    await button('Install').click();
    await says('.trouble', 'Secrets cannot be stored at the moment');
    includes(await text('.trouble'), 'Try again in 1 second. Nothing was changed.', 'the error');
    assert((await field('Secret or restricted key').inputValue()) === SECRETS[0], 'what was typed is lost');
    await page.unroute('**/graphql');
    await button('Install').click();
    await page.getByText('Stripe is installed.').waitFor();
    await purge(A);
  });

  await check('every kind of field has its control, and every value its type', async () => {
    const field = (name, more) => ({
      name, part: 'PARAMS', secret: false, label: name, help: null, type: 'STRING', enum: [], default: null, example: null,
      required: false, multiline: false, appliesTo: [], docsUrl: null, ...more,
    });
    const entry = {
      name: 'stripe', displayName: 'Everything', description: 'Has it all.', category: 'it_operations', tags: [], status: 'INSTALLED',
      missingFields: ['params.port'], isCustom: true, differsFromDefault: true, state: 'DEPRECATED', authKinds: ['BASIC'], credentialsUrl: null,
      docsUrl: 'javascript:alert(1)', homepageUrl: 'https://example.com/', installedAt: '2026-11-28T10:00:00Z', params: { kept: [1], colour: 'blue' },
      secretNames: ['forgotten'],
      fields: [
        field('port', { type: 'INTEGER', required: true, default: 5432 }),
        field('colour', { type: 'ENUM', enum: ['red', 'blue'] }),
        field('size', { type: 'ENUM', enum: [1, 2], default: 1 }),
        field('tls', { type: 'BOOLEAN', default: true }),
        field('eager', { type: 'BOOLEAN', required: true }),
        field('note', { multiline: true }),
        field('pem', { part: 'SECRETS', secret: true, multiline: true, required: true, appliesTo: ['SERVICE_ACCOUNT_JWT'] }),
      ],
    };
    let sent;
    await page.route('**/graphql', route => {
      const { operationName, variables } = route.request().postDataJSON();
      if (operationName === 'Entry') return route.fulfill({ json: { data: { integration: entry } } });
      if (operationName === 'Validate') return route.fulfill({ json: { data: { validateInstallation: { missingFields: [], userErrors: [] } } } });
      if (operationName !== 'Install') return route.continue();
      sent = variables.input;
      const userErrors = [
        { message: 'must not be so', pointer: '/params/colour', code: 'PARAMS_INVALID' },
        { message: 'are too many', pointer: '/params', code: 'PARAMS_INVALID' },
      ];
      return route.fulfill({ json: { data: { installIntegration: { integration: null, userErrors } } } });
    });
    await page.goto(address('/ui/stripe'));
    await heading('Everything');
    for (const badge of ['Installed', 'Incomplete', 'Custom', 'Edited', 'Deprecated']) await page.locator('.badge', { hasText: badge }).waitFor();
    assert((await page.locator('a[href^="javascript"]').count()) === 0, 'a link that is a script');
    assert((await page.getByLabel('port').getAttribute('placeholder')) === '5432', 'the default is not told');
    assert((await page.getByLabel('colour').inputValue()) === 'blue', 'the stored choice is not chosen');
    assert(await page.getByLabel('tls').isChecked(), 'the default is not ticked');
    await page.getByLabel('port').fill('6543');
    await page.getByLabel('colour').selectOption('red');
    await page.getByLabel('size').selectOption('2');
    await page.getByLabel('note').fill('two\nlines');
    await page.getByLabel('pem').fill('CANARY\nkey');
    const masked = await page.getByLabel('pem').evaluate(area => getComputedStyle(area).webkitTextSecurity);
    assert(masked === 'disc', `what is typed into the key is shown: ${masked}`);
    await page.getByLabel('Remove forgotten').check();
    await audit(page, 'kinds', screenshot);
    await button('Update').click();
    await page.getByText('This must not be so.').waitFor();
    await page.getByText('are too many.').waitFor();
    const expected = {
      integration: { name: 'stripe' },
      params: { kept: [1], colour: 'red', port: 6543, size: 2, eager: false, note: 'two\nlines' },
      secrets: { pem: 'CANARY\nkey', forgotten: null },
    };
    assert(JSON.stringify(sent) === JSON.stringify(expected), JSON.stringify(sent));
    await page.unroute('**/graphql');
  });

  await check('an entry that does not exist is said so', async () => {
    await page.goto(address('/ui/no_such_entry'));
    await heading('No such integration');
    await screenshot('absent.png');
  });

  await check('the theme is switched, and stays', async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    await button('Dark').click();
    const dark = await until(async () => (await ground()) !== light && ground(), 'another ground');
    await page.reload();
    await heading('No such integration');
    assert((await ground()) === dark && (await button('Dark').getAttribute('aria-pressed')) === 'true', 'forgotten');
    await button('Dark').click();
    await until(async () => (await ground()) === light, 'light again');
  });

  await check('only the accounts and the theme are kept in the browser', async () => {
    const kept = await page.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)].sort().join());
    assert(kept === 'patchbay:account,patchbay:account,patchbay:accounts,patchbay:theme', kept);
  });
}, { expected: [/ERR_INTERNET_DISCONNECTED/] });
