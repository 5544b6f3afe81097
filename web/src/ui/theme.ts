// Light or dark: as the system has it, until the visitor chooses.

import { useSyncExternalStore } from 'react';

const KEY = 'patchbay:theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const chosen = new EventTarget();

/** Before anything is painted. */
export function applyTheme(): void {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === 'dark' || kept === 'light') document.documentElement.dataset.theme = kept;
  } catch {
    // no storage: as the system has it
  }
}

export function useIsDark(): boolean {
  return useSyncExternalStore(
    changed => {
      system.addEventListener('change', changed);
      chosen.addEventListener('change', changed);
      return () => {
        system.removeEventListener('change', changed);
        chosen.removeEventListener('change', changed);
      };
    },
    () => (document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark',
  );
}

export function choose(theme: 'dark' | 'light'): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // it holds until the page is closed
  }
  chosen.dispatchEvent(new Event('change'));
}
