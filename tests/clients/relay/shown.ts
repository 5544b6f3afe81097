// A list on the screen, and the store behind it. There are no components: this does by hand what `useFragment`,
// `usePaginationFragment`, `useRefetchableFragment` and `useMutation` do, with the functions that they are made of.

import {
  commitMutation,
  createOperationDescriptor,
  Environment,
  fetchQuery,
  getPaginationMetadata,
  getPaginationVariables,
  getRefetchMetadata,
  getSingularSelector,
  Network,
  RecordSource,
  Store,
  type ConcreteRequest,
  type GraphQLResponse,
  type MutationParameters,
  type OperationType,
  type ReaderFragment,
} from 'relay-runtime';
import { assert, send } from '../harness.mjs';
import { account, name, showsNoSecret, text } from '../journey';
import CARD, { type gallery_card$data, type gallery_card$key } from './generated/gallery_card.graphql';
import LIST, { type gallery_list$data, type gallery_list$key } from './generated/gallery_list.graphql';
import ENTRY, { type galleryEntryQuery } from './generated/galleryEntryQuery.graphql';
import QUERY, { type galleryQuery } from './generated/galleryQuery.graphql';

/** What is handed to whoever may read a fragment: of all that was fetched, only what that fragment asks for. */
interface Key {
  readonly ' $data'?: unknown;
  readonly ' $fragmentSpreads': unknown;
}

export class Shown {
  private readonly environment: Environment;
  private list: { key: gallery_list$key; variables: galleryQuery['variables'] } | undefined;

  constructor(base: string) {
    this.environment = new Environment({
      network: Network.create(async (request, variables): Promise<GraphQLResponse> => {
        const answer = await send(base, '/graphql', { account, body: { query: request.text, variables } });
        assert(answer.status === 200, `GraphQL: ${answer.status} ${answer.text}`);
        showsNoSecret(answer.text);
        return answer.json();
      }),
      store: new Store(new RecordSource()),
    });
  }

  /** Shows a list. */
  async show(variables: galleryQuery['variables']): Promise<gallery_list$data> {
    // Else the store is free to forget it.
    this.environment.retain(createOperationDescriptor(QUERY, variables));
    this.list = { key: await this.ask<galleryQuery>(QUERY, variables), variables };
    return this.whole();
  }

  /** The list as far as it is shown. */
  whole(): gallery_list$data {
    return this.read(LIST, this.current().key);
  }

  /** Adds the next page. */
  async more(count: number): Promise<gallery_list$data> {
    const { paginationRequest, paginationMetadata } = getPaginationMetadata(LIST, 'Shown');
    const cursor = this.whole().integrations.pageInfo.endCursor;
    const { variables } = this.current();
    await this.ask(paginationRequest, getPaginationVariables('forward', count, cursor, variables, {}, paginationMetadata));
    return this.whole();
  }

  /** The card of our entry in the list. */
  listed(): gallery_card$data {
    const cards = this.whole().integrations.edges.map(({ node }) => this.card(node));
    const card = cards.find(card => card.name === name);
    assert(card, `${name} is not listed`);
    return card;
  }

  card(key: gallery_card$key): gallery_card$data {
    return this.read(CARD, key);
  }

  /** Asks for a card again, by its id. */
  async refetch(id: string): Promise<void> {
    const { refetchableRequest, identifierInfo } = getRefetchMetadata(CARD, 'Shown');
    assert(identifierInfo?.identifierQueryVariableName, `a card has no id: ${text(identifierInfo)}`);
    await this.ask(refetchableRequest, { [identifierInfo.identifierQueryVariableName]: id });
  }

  /** Our entry with its form, as the server has it. */
  async entry(): Promise<NonNullable<galleryEntryQuery['response']['integration']>> {
    const { integration } = await this.ask<galleryEntryQuery>(ENTRY, { by: { name } });
    assert(integration, `${name} is not found`);
    return integration;
  }

  commit<M extends MutationParameters>(mutation: ConcreteRequest, variables: M['variables']): Promise<M['response']> {
    return new Promise((resolve, reject) => {
      commitMutation<M>(this.environment, { mutation, variables, onCompleted: resolve, onError: reject });
    });
  }

  private current(): NonNullable<typeof this.list> {
    assert(this.list, 'no list is shown');
    return this.list;
  }

  private async ask<Q extends OperationType>(query: ConcreteRequest, variables: Q['variables']): Promise<Q['response']> {
    const answer = await fetchQuery<Q>(this.environment, query, variables).toPromise();
    assert(answer, 'no answer');
    return answer;
  }

  private read<K extends Key>(fragment: ReaderFragment, key: K): NonNullable<K[' $data']> {
    const { data, isMissingData } = this.environment.lookup(getSingularSelector(fragment, key));
    assert(data && !isMissingData, `the store lacks what ${fragment.name} asks for`);
    return data as NonNullable<K[' $data']>;
  }
}
