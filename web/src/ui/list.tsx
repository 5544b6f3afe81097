// The catalog: cards, found by search and filters. What is looked for is in the address.

import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import { asFailure, ask, type Failure, useAnswer } from './api';
import { Card } from './card';
import { ChosenFilters, Narrow, Search, Sidebar } from './filters';
import { type CardFragment, List } from './operations';
import { PageHeading, Trouble } from './parts';
import { type Filter, memory, remember } from './route';
import { useVisitor } from './visitor';
import { count } from './words';

const PAGE = 60;
const MOST_AT_ONCE = 200;

export function ListPage({ filter }: { filter: Filter }) {
  const [left] = useState(memory);
  const variables = {
    search: filter.search || null,
    category: filter.category || null,
    status: filter.status || null,
    tag: filter.tag || null,
    authKind: filter.authKind || null,
    orderBy: filter.order || (filter.search ? 'RELEVANCE' : 'DISPLAY_NAME'),
  } as const;
  const [first] = useState(Math.min(MOST_AT_ONCE, left.loaded ?? PAGE));
  const { data, failure, isLoading, retry } = useAnswer(List, { ...variables, first });
  const answer = data?.integrations;
  const more = useMore(answer, variables);
  const cards = answer ? [...answer.nodes, ...more.cards] : [];
  useReturn(left, answer !== undefined);

  const found = answer && count(answer.totalCount, 'integration', 'integrations');
  return (
    <div className="list">
      <div className="lead">
        <PageHeading title="Integrations" focus={!left.left} />
        <Search filter={filter} />
      </div>
      <Sidebar filter={filter} categories={answer?.categoryCounts} statuses={answer?.statusCounts} />
      <section className="results" aria-label="Results" aria-busy={isLoading}>
        <div className="above">
          <p role="status">{failure ? '' : found ?? 'Loading…'}</p>
          <Narrow filter={filter} />
        </div>
        <ChosenFilters filter={filter} />
        {failure ? (
          <Trouble failure={failure} onRetry={retry} />
        ) : (
          <>
            <ul className="cards">
              {cards.map(card => (
                <Card key={card.name} card={card} filter={filter} />
              ))}
            </ul>
            {answer?.totalCount === 0 && <p className="nothing">{nothing(filter)}</p>}
            {more.failure && <Trouble failure={more.failure} />}
            {more.isThere && (
              <button type="button" className="more" aria-disabled={more.isLoading} onClick={more.load}>
                {more.isLoading ? 'Loading…' : `Show more (${cards.length} of ${answer?.totalCount})`}
              </button>
            )}
          </>
        )}
      </section>
    </div>
  );
}

function nothing({ status, ...others }: Filter): string {
  if (status === 'INSTALLED' && Object.values(others).every(value => !value)) return 'Nothing is installed yet.';
  return 'Nothing in the catalog matches. Try fewer words, or remove a filter.';
}

type Page = { nodes: CardFragment[]; pageInfo: { endCursor: string | null; hasNextPage: boolean } };

/** What comes after the first page. It belongs to one answer: with another first page it is gone. */
function useMore<Variables extends object>(firstPage: Page | undefined, variables: Variables) {
  const visitor = useVisitor();
  const [state, setState] = useState<{ after?: Page; cards: CardFragment[]; last?: Page; isLoading?: boolean; failure?: Failure }>({ cards: [] });
  const mine = state.after === firstPage ? state : { after: firstPage, cards: [] };
  const last = mine.last ?? firstPage;

  const load = async () => {
    if (!last || mine.isLoading) return;
    const settle = (next: typeof state) => setState(now => (now.after === firstPage ? next : now));
    setState({ ...mine, isLoading: true, failure: undefined });
    try {
      const { integrations } = await ask(visitor, List, { ...variables, first: PAGE, after: last.pageInfo.endCursor });
      const cards = [...mine.cards, ...integrations.nodes];
      flushSync(() => settle({ after: firstPage, cards, last: integrations }));
      remember({ loaded: (firstPage?.nodes.length ?? 0) + cards.length });
      const [next] = integrations.nodes;
      if (next) focusCard(next.name); // the button may be gone
    } catch (reason) {
      settle({ ...mine, isLoading: false, failure: asFailure(reason) });
    }
  };
  return { cards: mine.cards, failure: mine.failure, isLoading: mine.isLoading ?? false, isThere: last?.pageInfo.hasNextPage ?? false, load };
}

/** Back from an entry: to the place on the page and the link that led there. */
function useReturn({ y, left }: ReturnType<typeof memory>, isFilled: boolean): void {
  useEffect(() => {
    if (!isFilled || !left) return;
    scrollTo(0, y ?? 0);
    focusCard(left);
  }, [isFilled, left, y]);
}

function focusCard(name: string): void {
  document.getElementById(`card-${name}`)?.focus({ preventScroll: false });
}
