import type { Fetcher, FetcherParams, Observable } from '@graphiql/toolkit';
import { type ExecutionResult, getOperationAST, GraphQLError, type OperationDefinitionNode, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { ACCOUNT_HEADER } from './account';
import { BASE } from './base';

// Not the toolkit's `createGraphiQLFetcher`: it asks for multipart answers, which Patchbay never gives; it picks the transport from a
// syntax tree that lags behind the editor for a moment after a tab is switched; and it shows an HTML error page as a parse error.

type Headers = Record<string, unknown>;
type Result = ExecutionResult;

const failure = (message: string): Result => ({ errors: [new GraphQLError(message)] });

export const fetcher: Fetcher = (params, options) => {
  const headers: Headers = options?.headers ?? {};
  const operation = selectedOperation(params);
  const request = operation ? { ...params, operationName: operation.name?.value } : params;
  return operation?.operation === 'subscription' ? subscribe(request, headers) : post(request, headers);
};

/** The only operation, or the one named. GraphiQL's name is, just after a tab is switched, still that of the tab before. */
function selectedOperation({ query, operationName }: FetcherParams): OperationDefinitionNode | undefined {
  try {
    const document = parse(query);
    return getOperationAST(document) ?? getOperationAST(document, operationName) ?? undefined;
  } catch {
    return undefined; // a syntax error is the server's to report
  }
}

async function post(params: FetcherParams, headers: Headers): Promise<Result> {
  let response: Response;
  try {
    response = await fetch(`${BASE}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
        ...(headers as Record<string, string>),
      },
      body: JSON.stringify(params),
    });
  } catch (error) {
    return failure(`Request not sent, or no answer: ${String(error)}`);
  }
  const text = await response.text();
  try {
    return JSON.parse(text) as Result;
  } catch {
    return failure(`The answer is not JSON: HTTP ${response.status} ${response.statusText}`.trim());
  }
}

type Observer = { next(value: Result): void; error(error: unknown): void; complete(): void };

/** One socket for each run, so that it always carries the headers that are in the editor now. */
function subscribe(params: FetcherParams, headers: Headers): Observable<Result> {
  const url = new URL(`${BASE}/graphql/ws`, window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';

  const observable = {
    subscribe(observer: Observer) {
      const client = createClient({
        url: url.href,
        connectionParams: connectionParams(headers),
        // A retry would hide a refused account for half a minute, and changes missed while the socket was down for ever.
        retryAttempts: 0,
      });
      const unsubscribe = client.subscribe(
        { query: params.query, operationName: params.operationName, variables: params.variables },
        {
          next: result => observer.next(result as Result),
          error(error) {
            observer.next(socketFailure(error));
            observer.complete();
          },
          complete: () => observer.complete(),
        },
      );
      return {
        unsubscribe() {
          unsubscribe();
          void client.dispose();
        },
      };
    },
  };
  return observable as Observable<Result>; // the type also lists calls with three functions, which GraphiQL does not make
}

/** A browser cannot set headers on a WebSocket: they travel in `connection_init`, the account under its exact name. */
function connectionParams(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase() === ACCOUNT_HEADER.toLowerCase() ? ACCOUNT_HEADER : name,
      value,
    ]),
  );
}

function socketFailure(error: unknown): Result {
  if (Array.isArray(error)) return { errors: error as GraphQLError[] };
  if (error instanceof CloseEvent) return failure(`Socket closed: ${error.code} ${error.reason}`.trim());
  if (error instanceof Error) return failure(error.message);
  return failure('The socket could not be opened.');
}
