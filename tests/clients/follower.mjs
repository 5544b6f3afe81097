// A program that follows the changes of an account, with graphql-ws and ws.

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { assert, until } from './harness.mjs';

const DOCUMENT = 'subscription { integrationChanged { name status } }';

/** One client with one subscription. */
export class Follower {
  seen = [];
  opened = 0;
  #failure;
  #socket;
  #client;
  #account;
  #complete;

  constructor(base, { account, by }) {
    const headers = by === 'header' ? { 'x-account-id': account } : {};
    this.#account = account;
    this.#client = createClient({
      url: new URL('/graphql/ws', base).href.replace(/^http/, 'ws'),
      connectionParams: by === 'connection_init' ? { 'X-Account-ID': account } : undefined,
      webSocketImpl: class extends WebSocket {
        constructor(url, protocols) {
          super(url, protocols, { headers });
        }
      },
      shouldRetry: () => account !== undefined,
      retryAttempts: 5,
      retryWait: () => new Promise(resolve => setTimeout(resolve, 50)),
      on: {
        connected: socket => {
          this.#socket = socket;
          this.opened++;
        },
      },
    });
    this.#complete = this.#client.subscribe(
      { query: DOCUMENT },
      {
        next: ({ data, errors }) => (errors ? (this.#failure = errors) : this.seen.push(data.integrationChanged)),
        error: error => (this.#failure = error),
        complete: () => (this.#failure ??= 'completed'),
      },
    );
  }

  /** `subscribe` has no acknowledgement: changes are made until one arrives. */
  async start(change) {
    this.seen.length = 0;
    await until(async () => {
      await change(this.#account, 'shopify');
      return this.#unbroken() && this.seen.length > 0;
    }, 'the first change');
    // Changes arrive in order: after this one, none of the others is still on its way.
    await change(this.#account, 'notion');
    await this.sees('notion', 'INSTALLED');
    this.seen.length = 0;
  }

  sees(name, status, within) {
    const matches = item => item.name === name && item.status === status;
    return until(() => this.#unbroken() && this.seen.some(matches), `${name} ${status}`, within);
  }

  ask(query) {
    return new Promise((next, error) => this.#client.subscribe({ query }, { next, error, complete() {} }));
  }

  ended() {
    return until(() => this.#failure, 'the end of the connection');
  }

  cut() {
    this.#socket.terminate();
  }

  complete() {
    this.#complete();
  }

  dispose() {
    return this.#client.dispose();
  }

  #unbroken() {
    assert(!this.#failure, `the subscription ended: ${this.#failure?.reason ?? JSON.stringify(this.#failure)}`);
    return true;
  }
}
