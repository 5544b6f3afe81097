// Pages of other sites, in Chromium, against a running Patchbay: what they may do, and what they may not.
//   node e2e/foreign.mjs http://127.0.0.1:PORT PAGES_PORT
// Patchbay has `server.cors_origins=http://app.example:PAGES_PORT`; this program serves the pages.

import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const [address, port] = process.argv.slice(2);
if (!address || !port) {
  console.error('usage: node e2e/foreign.mjs http://127.0.0.1:PORT PAGES_PORT');
  process.exit(2);
}
const base = new URL(address);
const INSTALL = new URL('/api/v1/integrations/stripe/install', base).href;
const STRIPE = new URL('/api/v1/integrations/stripe', base).href;
const ACCOUNT = { 'x-account-id': 'acme' };

const pages = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title>'));
await new Promise(resolve => pages.listen(Number(port), '127.0.0.1', resolve));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    // Both sites have names that point to this machine, as in DNS rebinding.
    '--host-resolver-rules=MAP *.example 127.0.0.1',
    // Without the browser's own protection, which not every browser has.
    '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests',
  ],
});

let failed = 0;
let passed = 0;
const check = async (title, body) => {
  try {
    const seen = await body();
    if (seen !== true) throw new Error(`saw ${JSON.stringify(seen)}`);
    passed++;
    console.log(`ok    ${title}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${title}\n      ${error?.message ?? error}`);
  }
};

const page = await browser.newPage();

/** Runs `body` in a page of the site. */
const from = async (site, body, ...given) => {
  await page.goto(site);
  return page.evaluate(body, given);
};
const ask = ([url, options]) =>
  fetch(url, options).then(
    async answer => ({ status: answer.status, tag: answer.headers.get('etag'), text: await answer.text() }),
    () => 'kept from the page',
  );
const open = ([url]) =>
  new Promise(resolve => {
    const socket = new WebSocket(url, 'graphql-transport-ws');
    socket.onopen = () => resolve('open');
    socket.onerror = () => resolve('refused');
  });

const EVIL = `http://evil.example:${port}/`;
const APP = `http://app.example:${port}/`;
const OWN = new URL('/docs/', base).href;
const socket = new URL('/graphql/ws', base).href.replace('http', 'ws');

await check('a foreign page is kept from answers also where it does not ask to read them', async () => {
  const seen = await from(EVIL, ask, INSTALL, { method: 'POST', mode: 'no-cors' });
  return seen === 'kept from the page' || seen;
});
await check('a foreign page cannot act by a form', async () => {
  await page.goto(EVIL);
  const submit = url => {
    const form = Object.assign(document.createElement('form'), { method: 'post', action: url, enctype: 'text/plain' });
    document.body.append(form);
    form.submit();
  };
  const [answer] = await Promise.all([page.waitForResponse(INSTALL), page.waitForURL(INSTALL), page.evaluate(submit, INSTALL)]);
  return answer.status() === 403 || answer.status();
});
await check('a foreign page cannot read', async () => {
  const seen = await from(EVIL, ask, STRIPE, { headers: ACCOUNT });
  return seen === 'kept from the page' || seen;
});
await check('a foreign page cannot open a socket', async () => {
  const seen = await from(EVIL, open, socket);
  return seen === 'refused' || seen;
});
await check('a page whose name points to the server is told that this is not its name', async () => {
  const rebound = `http://evil.example:${base.port}/api/v1/openapi.json`;
  const answer = await page.goto(rebound);
  return (answer.status() === 421 && (await answer.text()).includes('server.allowed_hosts')) || answer.status();
});
await check('a listed page reads, and sees the headers that say more', async () => {
  const seen = await from(APP, ask, STRIPE, { headers: ACCOUNT });
  return (seen.status === 200 && seen.tag?.startsWith('W/') && JSON.parse(seen.text).name === 'stripe') || seen;
});
await check('a listed page acts', async () => {
  const seen = await from(APP, ask, INSTALL, { method: 'POST', headers: { ...ACCOUNT, 'content-type': 'application/json' }, body: '{}' });
  return (seen.status === 200 && JSON.parse(seen.text).integration.status === 'installed') || seen;
});
await check('a listed page reads failures', async () => {
  const seen = await from(APP, ask, new URL('/api/v1/integrations/nobody', base).href, { headers: ACCOUNT });
  return (seen.status === 404 && seen.text === 'Integration not found') || seen;
});
await check('a listed page opens a socket', async () => {
  const seen = await from(APP, open, socket);
  return seen === 'open' || seen;
});
await check("a page of the server's own acts", async () => {
  const seen = await from(OWN, ask, INSTALL, { method: 'POST', headers: ACCOUNT });
  return seen.status === 200 || seen;
});
await check("a page of the server's own opens a socket", async () => {
  const seen = await from(new URL('/graphiql', base).href, open, socket);
  return seen === 'open' || seen;
});

console.log(`${passed} passed, ${failed} failed`);
await browser.close();
pages.close();
process.exit(failed === 0 ? 0 : 1);
