import { useGraphiQL } from '@graphiql/react';
import { useEffect, useRef } from 'react';
import { ACCOUNT_KEY, storage } from './storage';

export const ACCOUNT_HEADER = 'X-Account-ID';

const ACCOUNT = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const FIRST_ACCOUNT = 'acme';

/** What the headers editor opens with: the account used last, or the example. */
export function initialHeaders(): string {
  const account = storage.getItem(ACCOUNT_KEY);
  return JSON.stringify({ [ACCOUNT_HEADER]: account && ACCOUNT.test(account) ? account : FIRST_ACCOUNT }, null, 2);
}

/**
 * One set of headers for all tabs. GraphiQL keeps one per tab, so a user who changed the account in the first tab would install into the
 * old account from the second. What is typed stays in memory; of all headers only a well-formed account is remembered in the browser.
 */
export function SharedHeaders({ initial }: { initial: string }) {
  const editor = useGraphiQL(state => state.headerEditor);
  const tab = useGraphiQL(state => state.tabs[state.activeTabIndex]?.id);
  const typed = useRef(initial);

  useEffect(() => {
    const listener = editor?.onDidChangeModelContent(change => {
      if (change.isFlush) return; // set by GraphiQL (a tab, a history entry), not typed
      typed.current = editor.getValue();
      rememberAccount(typed.current);
    });
    return () => listener?.dispose();
  }, [editor]);

  useEffect(() => {
    if (editor && editor.getValue() !== typed.current) editor.setValue(typed.current);
  }, [editor, tab]);

  return null;
}

function rememberAccount(headers: string): void {
  try {
    const account: unknown = (JSON.parse(headers) as Record<string, unknown>)[ACCOUNT_HEADER];
    if (typeof account === 'string' && ACCOUNT.test(account)) storage.setItem(ACCOUNT_KEY, account);
  } catch {
    // JSON half typed, or the browser's storage full: it is only a convenience
  }
}
