// What is shown, as the address says it: `/ui?search=…` is the list, `/ui/stripe` an entry.

import { useMemo, useSyncExternalStore } from 'react';
import { BASE } from '../base';
import type { AuthKind, IntegrationOrder, IntegrationStatus } from './operations';

export type Filter = {
  search: string;
  category: string;
  status: IntegrationStatus | '';
  tag: string;
  authKind: AuthKind | '';
  order: IntegrationOrder | '';
};

export type Place = { page: 'list'; filter: Filter } | { page: 'entry'; name: string };

/** What a place remembers beside its address, to be found again as it was left. */
export type Memory = { loaded?: number; y?: number; left?: string };

const ROOT = `${BASE}/ui`;
const changes = new EventTarget();
let hasMoved = false;
let lastList = ROOT;

export function usePlace(): Place {
  const address = useSyncExternalStore(subscribe, () => location.pathname + location.search);
  return useMemo(() => parse(new URL(address, location.origin)), [address]);
}

/** Whether the visitor came here from another place of the gallery: then the focus goes along. */
export const cameFromElsewhere = () => hasMoved;

export const memory = (): Memory => (history.state as Memory | null) ?? {};

export function remember(more: Memory): void {
  history.replaceState({ ...memory(), ...more }, '');
}

export function navigate(address: string, { replace = false } = {}): void {
  if (address === location.pathname + location.search) return;
  const isOtherPage = new URL(address, location.origin).pathname !== location.pathname;
  hasMoved ||= isOtherPage;
  if (replace) {
    history.replaceState({}, '', address);
  } else {
    remember({ y: scrollY });
    history.pushState({}, '', address);
  }
  if (isOtherPage) scrollTo(0, 0);
  changes.dispatchEvent(new Event('change'));
}

/** The list as it was last seen. */
export const listAddress = () => lastList;

export function addressOf(filter: Filter): string {
  const query = new URLSearchParams();
  const words = { search: filter.search, category: filter.category, tag: filter.tag };
  const choices = { status: filter.status, auth: filter.authKind, order: filter.order };
  for (const [key, word] of Object.entries(words)) if (word) query.set(key, word);
  for (const [key, choice] of Object.entries(choices)) if (choice) query.set(key, choice.toLowerCase());
  return query.size > 0 ? `${ROOT}?${query}` : ROOT;
}

export const entryAddress = (name: string) => `${ROOT}/${name}`;

export const EVERYTHING: Filter = { search: '', category: '', status: '', tag: '', authKind: '', order: '' };

function parse(url: URL): Place {
  const name = url.pathname.slice(ROOT.length).replaceAll('/', '');
  if (name) return { page: 'entry', name };
  lastList = url.pathname + url.search;
  const given = (key: string) => url.searchParams.get(key) ?? '';
  return {
    page: 'list',
    filter: {
      search: given('search'),
      category: given('category'),
      status: oneOf<IntegrationStatus>(given('status'), ['INSTALLED', 'AVAILABLE']),
      tag: given('tag'),
      authKind: oneOf<AuthKind>(given('auth'), AUTH_KINDS),
      order: oneOf<IntegrationOrder>(given('order'), ['CATEGORY', 'INSTALLED_AT']),
    },
  };
}

export const AUTH_KINDS: AuthKind[] = [
  'API_KEY',
  'BEARER',
  'BASIC',
  'OAUTH2_CODE',
  'OAUTH2_CLIENT_CREDENTIALS',
  'SERVICE_ACCOUNT_JWT',
  'AWS_SIGV4',
  'REQUEST_SIGNATURE',
  'TWO_STEP',
  'MCP_OAUTH',
  'NONE',
];

/** A word of an address, unless someone made it up. */
function oneOf<T extends string>(word: string, known: T[]): T | '' {
  return known.find(one => one === word.toUpperCase()) ?? '';
}

function subscribe(changed: () => void): () => void {
  const moved = () => {
    hasMoved = true;
    changed();
  };
  changes.addEventListener('change', changed);
  addEventListener('popstate', moved);
  return () => {
    changes.removeEventListener('change', changed);
    removeEventListener('popstate', moved);
  };
}
