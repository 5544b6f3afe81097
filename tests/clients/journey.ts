// What the typed programs share: what they install, for whom, and what no answer may show.

import { randomUUID } from 'node:crypto';
import { assert } from './harness.mjs';

/** Has nothing installed: nobody used it before. */
export const account = `typed-${randomUUID()}`;

/** A built-in entry with a param and a secret that have patterns. */
export const name = 'stripe';

/** Its name with a letter missing. */
export const search = 'strpe';

export const params = { api_version: '2026-09-30.endive' };

/** Breaks the field's pattern. */
export const wrongParams = { api_version: 'yesterday' };

/** `leaks.mjs` looks for the word in what the server wrote. */
export const secrets = { api_key: `sk_test_CANARY_${randomUUID()}` };

export function showsNoSecret(answer: string): void {
  assert(!answer.includes(secrets.api_key), `an answer shows a secret: ${answer}`);
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** As JSON: for messages, and to compare. */
export function text(value: unknown): string {
  return JSON.stringify(value);
}
