// What axe-core finds on a page, in light and dark, on a narrow screen and a wide one.

import { readFile } from 'node:fs/promises';
import { assert } from './harness.mjs';

const axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const SCREENS = { narrow: { width: 360, height: 740 }, wide: { width: 1280, height: 900 } };

/** Fails on a serious or critical finding and on a page wider than its screen; leaves a screenshot of each form. */
export async function audit(page, name, screenshot) {
  const found = [];
  await page.evaluate(axe);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const [screen, size] of Object.entries(SCREENS)) {
      await page.setViewportSize(size);
      await page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
      assert(passes.some(({ id }) => id === 'color-contrast'), `${name}: axe-core measured no contrast`);
      for (const { id, impact, nodes } of violations) {
        if (impact !== 'serious' && impact !== 'critical') continue;
        found.push(`${name}, ${colorScheme}, ${screen}: ${impact} ${id}: ${nodes.map(node => `${node.target} ${node.failureSummary}`).join('; ')}`);
      }
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > size.width) found.push(`${name}, ${colorScheme}, ${screen}: ${width} px wide`);
      await screenshot(`${name}-${colorScheme}-${screen}.png`, { fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(SCREENS.wide);
  assert(found.length === 0, found.join('\n'));
}
