// Who asks, and for which account. A key is kept in memory alone: it is gone with the page. What the browser keeps is which accounts
// were used, never what proves anything.

import { createContext, useContext } from 'react';

export type Visitor = { account: string; key: string };

/** What the server asks of whoever comes, as it wrote into the page. */
export type Door = { takesKeys: boolean; needsKey: boolean; needsAccount: boolean };

const CURRENT = 'patchbay:account'; // as GraphiQL's page calls it
const RECENT = 'patchbay:accounts';
const RECENT_MOST = 8;
const ACCOUNT = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const FIRST_ACCOUNT = 'acme';

export const VisitorContext = createContext<Visitor>({ account: FIRST_ACCOUNT, key: '' });
export const useVisitor = () => useContext(VisitorContext);

export const LeaveContext = createContext(() => {});

/** Opens the place where account and key are changed. */
export const useLeave = () => useContext(LeaveContext);

export const isAccount = (text: string) => ACCOUNT.test(text);

export function door(): Door {
  const modes = document.querySelector<HTMLMetaElement>('meta[name="patchbay-modes"]')?.content.split(' ') ?? [];
  const takesKeys = modes.includes('api_key') || modes.includes('jwt');
  const isOpen = modes.includes('open');
  // A gateway in front has let the visitor in already, and says for which account.
  return { takesKeys, needsKey: takesKeys && !isOpen && !modes.includes('gateway'), needsAccount: isOpen };
}

export function firstVisitor({ needsAccount }: Door): Visitor {
  const kept = read(window.sessionStorage, CURRENT) ?? read(window.localStorage, CURRENT) ?? '';
  return { account: isAccount(kept) ? kept : needsAccount ? FIRST_ACCOUNT : '', key: '' };
}

/** A tab keeps its account; a new one begins with the last. */
export function rememberAccount(account: string): void {
  write(window.sessionStorage, CURRENT, account);
  if (!account) return;
  write(window.localStorage, CURRENT, account);
  const others = recentAccounts().filter(other => other !== account);
  write(window.localStorage, RECENT, JSON.stringify([account, ...others].slice(0, RECENT_MOST)));
}

export function recentAccounts(): string[] {
  try {
    const kept: unknown = JSON.parse(read(window.localStorage, RECENT) ?? '[]');
    return Array.isArray(kept) ? kept.filter(item => typeof item === 'string' && isAccount(item)) : [];
  } catch {
    return []; // someone else wrote it
  }
}

function read(storage: Storage, key: string): string | null {
  try {
    return storage.getItem(key);
  } catch {
    return null;
  }
}

function write(storage: Storage, key: string, value: string): void {
  try {
    storage.setItem(key, value);
  } catch {
    // full: it is only a convenience
  }
}
