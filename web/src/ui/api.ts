// The way to the server: one request, one answer or one failure in plain words.

import { useCallback, useEffect, useState } from 'react';
import { BASE } from '../base';
import type { Operation } from './operations';
import { useVisitor, type Visitor } from './visitor';

/** Why there is no answer, for people. */
export class Failure extends Error {
  readonly title: string;
  readonly code: string;

  constructor(code: string, title: string, message: string) {
    super(message);
    this.code = code;
    this.title = title;
  }

  /** Whether other credentials could help. */
  get isAboutTheVisitor(): boolean {
    return ['UNAUTHENTICATED', 'FORBIDDEN', 'ACCOUNT_REQUIRED', 'ACCOUNT_INVALID'].includes(this.code);
  }
}

type Answered<Data> = {
  data?: Data | null;
  errors?: Array<{ message: string; extensions?: { code?: string; retryAfter?: number; requestId?: string } }>;
};

export async function ask<Data, Variables>(
  visitor: Visitor,
  operation: Operation<Data, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Data> {
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' };
  if (visitor.account) headers['x-account-id'] = visitor.account;
  if (visitor.key) headers.authorization = `Bearer ${visitor.key}`;
  const body = JSON.stringify({ query: operation.text, operationName: operation.name, variables });
  let response: Response;
  let answer: Answered<Data>;
  try {
    response = await fetch(`${BASE}/graphql`, { method: 'POST', headers, body, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure('NETWORK', 'The server cannot be reached', 'Check that it runs and that you are connected, then try again.');
  }
  try {
    answer = (await response.json()) as Answered<Data>;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure('NOT_JSON', 'This is not an answer of Patchbay', `Something between us answered with HTTP ${response.status}. Try again in a moment.`);
  }
  const [error] = answer.errors ?? [];
  if (error) {
    const seconds = error.extensions?.retryAfter ?? (Number(response.headers.get('retry-after')) || undefined);
    throw refusal(error.extensions?.code ?? 'INTERNAL', error.message, seconds, error.extensions?.requestId);
  }
  if (!answer.data) throw new Failure('INTERNAL', 'The server gave no answer', 'Try again in a moment.');
  return answer.data;
}

const TITLES: Record<string, string> = {
  UNAUTHENTICATED: 'The server does not know who you are',
  FORBIDDEN: 'This is not allowed with your key',
  ACCOUNT_REQUIRED: 'Which account is meant?',
  ACCOUNT_INVALID: 'There can be no such account',
  RATE_LIMITED: 'Too many requests',
  SECRETS_UNAVAILABLE: 'Secrets cannot be stored at the moment',
  DATABASE_ERROR: 'The database does not answer',
  TIMEOUT: 'That took too long',
};

function refusal(code: string, message: string, seconds?: number, requestId?: string): Failure {
  const title = TITLES[code] ?? 'The server could not do this';
  const sentences = message === title ? [] : [/[.!?]$/.test(message) ? message : `${message}.`];
  if (code === 'RATE_LIMITED' || code === 'SECRETS_UNAVAILABLE' || code === 'DATABASE_ERROR') {
    sentences.push(seconds ? `Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.` : 'Try again in a moment.');
  }
  if (code === 'SECRETS_UNAVAILABLE') sentences.push('Nothing was changed.');
  if (!TITLES[code] && requestId) sentences.push(`The request was ${requestId}.`);
  return new Failure(code, title, sentences.join(' '));
}

/** An answer, as far as it is there. While another is on its way, the last one stays. */
export type Answer<Data> = {
  data?: Data;
  failure?: Failure;
  isLoading: boolean;
  retry: () => void;
};

/** Asks again when variables, visitor or `revision` change, and lets go of what is then stale. */
export function useAnswer<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables, revision = 0): Answer<Data> {
  const visitor = useVisitor();
  const [attempt, setAttempt] = useState(0);
  const [last, setLast] = useState<{ to?: string; data?: Data; failure?: Failure }>({});
  const wanted = JSON.stringify(variables);
  const question = `${attempt} ${revision} ${wanted}`;

  useEffect(() => {
    const stale = new AbortController();
    ask(visitor, operation, JSON.parse(wanted) as Variables, stale.signal).then(
      data => stale.signal.aborted || setLast({ to: question, data }),
      (reason: unknown) => stale.signal.aborted || setLast(({ data }) => ({ to: question, data, failure: asFailure(reason) })),
    );
    return () => stale.abort();
  }, [visitor, operation, wanted, question]);

  const retry = useCallback(() => setAttempt(count => count + 1), []);
  return { data: last.data, failure: last.failure, isLoading: last.to !== question, retry };
}

export function asFailure(reason: unknown): Failure {
  if (reason instanceof Failure) return reason;
  return new Failure('INTERNAL', 'This page made a mistake', `${String(reason)}. Reload it, and try again.`);
}
