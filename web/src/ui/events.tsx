// What was done with one integration, from the account's audit log.

import { useState } from 'react';
import { useAnswer } from './api';
import { Events } from './operations';
import { Trouble } from './parts';
import { actionNames, actorNames } from './words';

const PAGE = 10;
const MOST = 200;

const namesOf = (names: string[], omitted: number) => (omitted > 0 ? [...names, `and ${omitted} more`] : names).join(', ');

export function EventList({ name, changes }: { name: string; changes: number }) {
  const [first, setFirst] = useState(PAGE);
  const { data, failure, isLoading, retry } = useAnswer(Events, { name, first }, changes);
  const events = data?.installationEvents;
  return (
    <section aria-labelledby="events">
      <h2 id="events">Events</h2>
      {failure ? (
        <Trouble failure={failure} onRetry={retry} />
      ) : (
        <>
          {events?.nodes.length === 0 && <p>Nothing has happened yet.</p>}
          <ol className="events" aria-busy={isLoading}>
            {events?.nodes.map(({ id, action, at, fields, fieldsOmitted, outcome, actor }) => (
              <li key={id}>
                <strong>{actionNames[action]}</strong>
                {outcome === 'FAILED' && <span className="badge warning">Failed</span>} by {actor.label || actorNames[actor.kind]},{' '}
                <time dateTime={at}>{new Date(at).toLocaleString()}</time>
                {fields.length + fieldsOmitted > 0 && <span className="names">{namesOf(fields, fieldsOmitted)}</span>}
              </li>
            ))}
          </ol>
          {events?.pageInfo.hasNextPage && first < MOST && (
            <button type="button" aria-disabled={isLoading} onClick={() => setFirst(Math.min(MOST, first * 2))}>
              Earlier events
            </button>
          )}
        </>
      )}
    </section>
  );
}
