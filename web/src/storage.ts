// What GraphiQL may keep in the browser.
//
// By default it writes every tab, its variables and the history of what was run to localStorage, where they outlive the session and can
// be read by any script of this origin. The variables of an install hold API keys, and headers may hold a token. So all of that lives in
// memory and is gone with the page. Only what cannot hold a secret is passed through.

export const ACCOUNT_KEY = 'patchbay:account';

const KEPT = new Set(['graphiql:theme', 'graphiql:visiblePlugin', ACCOUNT_KEY]);

const memory = new Map<string, string>();

export const storage = {
  getItem: (key: string) => (KEPT.has(key) ? (browser()?.getItem(key) ?? null) : (memory.get(key) ?? null)),
  setItem(key: string, value: string) {
    if (KEPT.has(key)) browser()?.setItem(key, value);
    else memory.set(key, value);
  },
  removeItem(key: string) {
    if (KEPT.has(key)) browser()?.removeItem(key);
    else memory.delete(key);
  },
  clear() {
    memory.clear();
    for (const key of KEPT) browser()?.removeItem(key);
  },
  get length() {
    return memory.size;
  },
};

/** localStorage, or nothing where the browser forbids it. */
function browser(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}
