// What the programs here share: checks that print one line each, and requests for an account.

/** Bounds every wait, in milliseconds. */
export const WAIT_MS = 10_000;

/**
 * Runs `test` and ends the process: 0 if every check passed, 1 if one failed, 2 if there is no address.
 * @param {(tools: {
 *   base: string, other: string, check: (title: string, body: () => unknown) => Promise<void>
 * }) => Promise<void>} test
 */
export async function run(test) {
  const addresses = process.argv.slice(2).map(address => new URL(address).href);
  if (addresses.length === 0) {
    console.error(`usage: node ${process.argv[1]} http://127.0.0.1:PORT [the same service at another address]`);
    process.exit(2);
  }
  let passed = 0;
  let failed = 0;
  const check = async (title, body) => {
    try {
      await body();
      passed++;
      console.log(`ok    ${title}`);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${title}\n      ${String(error?.stack ?? error).replaceAll('\n', '\n      ')}`);
    }
  };
  try {
    await test({ base: addresses[0], other: addresses[1] ?? addresses[0], check });
  } catch (error) {
    failed++;
    console.log(`FAIL  ${error?.stack ?? error}`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

/**
 * Sends a request; `body` that is not a string is sent as JSON. Gives status, headers and text.
 * @param {string} base
 * @param {string} path
 * @param {{ account?: string, method?: string, headers?: Record<string, string>, body?: unknown }} [options]
 */
export async function send(base, path, { account, method = 'POST', headers = {}, body } = {}) {
  const answer = await fetch(new URL(path, base), {
    method,
    headers: { 'content-type': 'application/json', ...(account && { 'x-account-id': account }), ...headers },
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(WAIT_MS),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) };
}

/**
 * @param {unknown} condition
 * @param {string} message
 * @returns {asserts condition}
 */
export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** Calls `probe` until it gives something true, for at most `within` milliseconds. */
export async function until(probe, what, within = WAIT_MS) {
  const end = Date.now() + within;
  for (;;) {
    const value = await probe();
    if (value) return value;
    assert(Date.now() < end, `waited ${within} ms for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
