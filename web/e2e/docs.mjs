// The Swagger UI page in a real browser, against a running Patchbay:
//   node e2e/docs.mjs http://127.0.0.1:8080 target/e2e

import { assert, run } from './harness.mjs';

await run('docs', async ({ page, base, check, screenshot }) => {
  await check('the page opens', async () => {
    const answer = await page.goto(new URL('/docs', base).href, { waitUntil: 'load' });
    assert(answer.status() === 200, `GET /docs: ${answer.status()}`);
    assert(new URL(page.url()).origin === base.origin, page.url());
  });

  await check('it lists the operations', async () => {
    await page.getByText('/api/v1/integrations').first().waitFor();
    assert((await page.locator('.opblock').count()) > 0, 'no operation is shown');
    await screenshot('docs.png');
  });
});
