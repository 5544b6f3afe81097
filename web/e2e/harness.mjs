// What the browser tests share: a Chromium that can reach one origin only, a record of everything that went wrong in it, and checks that
// print one line each.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const STEP_MS = 15_000;
const TOTAL_MS = 300_000;

/** Runs `test` and ends the process: 0 if every check passed, 1 if one failed, 2 if the arguments are wrong.
 * What matches one of `expected` is no problem: a refusal that the test provokes. */
export async function run(name, test, { expected = [] } = {}) {
  const [address, outDir] = process.argv.slice(2);
  if (!address || !outDir) {
    console.error(`usage: node e2e/${name}.mjs http://127.0.0.1:PORT OUT_DIR`);
    process.exit(2);
  }
  const base = new URL(address);
  await mkdir(outDir, { recursive: true });

  const checks = { passed: 0, failed: 0 };
  const finish = code => {
    console.log(`${checks.passed} passed, ${checks.failed} failed`);
    process.exit(code);
  };
  const watchdog = setTimeout(() => {
    checks.failed++;
    console.log(`FAIL  everything within ${TOTAL_MS / 1000} s`);
    finish(1);
  }, TOTAL_MS);

  const profile = await mkdtemp(join(tmpdir(), 'patchbay-e2e-'));
  let context;
  try {
    context = await launch(base, profile);
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(STEP_MS);
    const problems = watch(context, page, base);
    await block(context, base, problems);

    const screenshot = (file, options) => page.screenshot({ path: join(outDir, file), ...options });
    let skip = false;
    const check = async (title, body) => {
      if (skip) return console.log(`skip  ${title}`);
      try {
        await body();
        checks.passed++;
        console.log(`ok    ${title}`);
      } catch (error) {
        skip = true; // each step builds on the one before
        checks.failed++;
        console.log(`FAIL  ${title}\n      ${plain(error).replaceAll('\n', '\n      ')}`);
        await screenshot('failure.png').catch(() => {});
      }
    };

    await test({ page, context, base, check, screenshot });

    const violations = await page.evaluate(() => globalThis.__cspViolations ?? []).catch(() => []);
    problems.csp.push(...violations);
    const nothing = {
      'request to another origin': problems.external,
      'violation of the content security policy': problems.csp,
      'error in the console': problems.console,
      'uncaught exception': problems.exceptions,
      'failed request': problems.requests,
    };
    for (const [what, found] of Object.entries(nothing)) {
      skip = false;
      await check(`no ${what}`, () => none(found.filter(text => !expected.some(pattern => pattern.test(text)))));
    }
  } catch (error) {
    checks.failed++;
    console.log(`FAIL  ${error?.stack ?? error}`);
  } finally {
    clearTimeout(watchdog);
    await context?.close().catch(() => {});
    await rm(profile, { recursive: true, force: true }).catch(() => {});
  }
  finish(checks.failed === 0 ? 0 : 1);
}

function launch(base, profile) {
  return chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    viewport: { width: 1440, height: 900 },
    serviceWorkers: 'block',
    timeout: 60_000,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // below the interception: no other name or address resolves at all
      `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${base.hostname}`,
    ],
  });
}

function watch(context, page, base) {
  const problems = { external: [], csp: [], console: [], exceptions: [], requests: [] };
  page.on('console', message => {
    if (message.type() !== 'error') return;
    const text = `${message.text()} (${message.location().url})`;
    (/content.security.policy/i.test(text) ? problems.csp : problems.console).push(text);
  });
  page.on('pageerror', error => problems.exceptions.push(error.stack ?? String(error)));
  context.on('response', response => {
    if (response.status() >= 400) problems.requests.push(`${response.status()} ${response.url()}`);
  });
  context.on('requestfailed', request => {
    // ERR_ABORTED is the browser's own doing: a page that is left takes back what it still loads.
    const reason = request.failure()?.errorText;
    if (new URL(request.url()).origin === base.origin && reason !== 'net::ERR_ABORTED') {
      problems.requests.push(`${reason} ${request.url()}`);
    }
  });
  return problems;
}

async function block(context, base, problems) {
  await context.addInitScript(() => {
    globalThis.__cspViolations = [];
    document.addEventListener('securitypolicyviolation', event => {
      globalThis.__cspViolations.push(`${event.effectiveDirective}: ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`);
    });
  });
  await context.route(
    url => url.origin !== base.origin && !['data:', 'blob:'].includes(url.protocol),
    route => {
      problems.external.push(route.request().url());
      return route.abort();
    },
  );
  await context.routeWebSocket(
    url => url.host !== base.host,
    socket => {
      problems.external.push(socket.url());
      socket.close();
    },
  );
}

const plain = error => String(error?.message ?? error).replaceAll(/\u001b\[\d+m/g, '').trim();

function none(problems) {
  if (problems.length > 0) throw new Error([...new Set(problems)].slice(0, 10).join('\n'));
}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

export function includes(text, part, where) {
  assert(text.includes(part), `${where} does not contain ${part}:\n${text.slice(0, 2000)}`);
}

export function excludes(text, part, where) {
  assert(!text.includes(part), `${where} contains ${part}`);
}

/** Calls `probe` until it gives something true, for at most STEP_MS. */
export async function until(probe, what) {
  const end = Date.now() + STEP_MS;
  for (;;) {
    const value = await probe();
    if (value) return value;
    assert(Date.now() < end, `waited ${STEP_MS / 1000} s for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}
