// What narrows the list down: search as you type, categories and statuses with their counts, way to authenticate, order.

import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { IntegrationStatus } from './operations';
import { Link } from './parts';
import { addressOf, AUTH_KINDS, type Filter, navigate } from './route';
import { authKindNames, categoryName } from './words';

const PAUSE_MS = 180;

/** Asks when the typing pauses. The address follows without a step in the history for every letter. */
export function Search({ filter }: { filter: Filter }) {
  const [text, setText] = useState(filter.search);
  const asked = useRef(filter.search);
  const current = useRef(filter);
  current.current = filter;

  useEffect(() => {
    // The address was changed by something else: back, or a link.
    if (filter.search !== asked.current) {
      asked.current = filter.search;
      setText(filter.search);
    }
  }, [filter.search]);
  useEffect(() => {
    const search = text.trim();
    if (search === asked.current) return;
    const pause = setTimeout(() => {
      asked.current = search;
      navigate(addressOf({ ...current.current, search }), { replace: true });
    }, PAUSE_MS);
    return () => clearTimeout(pause);
  }, [text]);

  return (
    <search>
      <input
        type="search"
        aria-label="Search integrations"
        placeholder="Search by name, purpose or tag"
        autoComplete="off"
        spellCheck={false}
        maxLength={100}
        value={text}
        onChange={event => setText(event.target.value)}
      />
    </search>
  );
}

type Counts = {
  categories?: Array<{ category: string; count: number }>;
  statuses?: Array<{ status: IntegrationStatus; count: number }>;
};

export function Sidebar({ filter, categories, statuses }: Counts & { filter: Filter }) {
  const [isOpen, setIsOpen] = useState(false); // matters on a narrow screen alone
  const id = useId();
  const ofStatus = (status: IntegrationStatus) => statuses?.find(one => one.status === status)?.count;
  const rows = [...(categories ?? [])];
  if (filter.category && !rows.some(({ category }) => category === filter.category)) {
    rows.push({ category: filter.category, count: 0 }); // the chosen one stays, also when nothing is left in it
  }
  const close = () => setIsOpen(false);

  return (
    <div className="side">
      <button type="button" className="unfold" aria-expanded={isOpen} aria-controls={id} onClick={() => setIsOpen(!isOpen)}>
        Filter{filter.category ? `: ${categoryName(filter.category)}` : ''}
      </button>
      <div id={id} className={isOpen ? 'open' : ''}>
        <Choices title="Status">
          <Choice to={{ ...filter, status: '' }} isChosen={!filter.status} count={sum(statuses)} onFollow={close}>
            Any
          </Choice>
          <Choice to={{ ...filter, status: 'INSTALLED' }} isChosen={filter.status === 'INSTALLED'} count={ofStatus('INSTALLED')} onFollow={close}>
            Installed
          </Choice>
          <Choice to={{ ...filter, status: 'AVAILABLE' }} isChosen={filter.status === 'AVAILABLE'} count={ofStatus('AVAILABLE')} onFollow={close}>
            Available
          </Choice>
        </Choices>
        <Choices title="Categories">
          <Choice to={{ ...filter, category: '' }} isChosen={!filter.category} count={sum(categories)} onFollow={close}>
            All
          </Choice>
          {rows.map(({ category, count }) => (
            <Choice key={category} to={{ ...filter, category }} isChosen={filter.category === category} count={count} onFollow={close}>
              {categoryName(category)}
            </Choice>
          ))}
        </Choices>
      </div>
    </div>
  );
}

function Choices({ title, children }: { title: string; children: ReactNode }) {
  const id = useId();
  return (
    <nav aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <ul>{children}</ul>
    </nav>
  );
}

const sum = (counts?: Array<{ count: number }>) => counts?.reduce((total, { count }) => total + count, 0);

type ChoiceProperties = { to: Filter; isChosen: boolean; count?: number; onFollow: () => void; children: ReactNode };

function Choice({ to, isChosen, count, onFollow, children }: ChoiceProperties) {
  return (
    <li>
      <Link to={addressOf(to)} aria-current={isChosen ? 'true' : undefined} onFollow={onFollow}>
        {children} <span className="count">{count}</span>
      </Link>
    </li>
  );
}

/** The choices that are long lists or rarely made. */
export function Narrow({ filter }: { filter: Filter }) {
  const id = useId();
  return (
    <div className="narrow-by">
      <label htmlFor={`${id}auth`}>Sign-in</label>
      <select
        id={`${id}auth`}
        value={filter.authKind}
        onChange={event => navigate(addressOf({ ...filter, authKind: event.target.value as Filter['authKind'] }))}
      >
        <option value="">Any</option>
        {AUTH_KINDS.map(kind => (
          <option key={kind} value={kind}>
            {authKindNames[kind]}
          </option>
        ))}
      </select>
      <label htmlFor={`${id}order`}>Order</label>
      <select
        id={`${id}order`}
        value={filter.order}
        onChange={event => navigate(addressOf({ ...filter, order: event.target.value as Filter['order'] }))}
      >
        <option value="">{filter.search ? 'Best match' : 'Name'}</option>
        <option value="CATEGORY">Category</option>
        <option value="INSTALLED_AT">Installed last</option>
      </select>
    </div>
  );
}

/** What can be removed with one press. */
export function ChosenFilters({ filter }: { filter: Filter }) {
  const chosen = [
    filter.category && { name: categoryName(filter.category), without: { ...filter, category: '' } },
    filter.tag && { name: `Tag: ${filter.tag}`, without: { ...filter, tag: '' } },
    filter.authKind && { name: authKindNames[filter.authKind], without: { ...filter, authKind: '' as const } },
  ].filter(one => one !== '');
  if (chosen.length === 0) return null;
  return (
    <ul className="chips chosen" aria-label="Filters in force">
      {chosen.map(({ name, without }) => (
        <li key={name}>
          <Link className="chip" to={addressOf(without)}>
            <span className="unseen">Remove the filter </span>
            {name} <span aria-hidden="true">×</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
