// Keys: `/` to the search field, `g` and a letter to a page, `j` and `k` through rows, `?` for help, Escape out of a field.

import { isView } from './view.ts';

const operatorKeys = [
  ['g n', 'Now'],
  ['g t', 'Tenants'],
  ['g s', 'System'],
  ['g y', 'Try it'],
] as const;

export const keys = [
  ['/', 'search'],
  ['g w', 'Webhooks'],
  ['g e', 'Events'],
  ...(isView ? [] : operatorKeys),
  ['j  k', 'next, previous row'],
  ['Enter', 'open the row'],
  ['?', 'this list'],
] as const;

const pages: Readonly<Record<string, string>> = {
  w: '/webhooks',
  e: '/events',
  ...(isView ? {} : { n: '/', t: '/tenants', s: '/system', y: '/try' }),
};

export function listenToKeys(go: (path: string) => void, help: () => void): () => void {
  let wasG = false;
  const onKey = (event: KeyboardEvent): void => {
    const target = event.target instanceof HTMLElement ? event.target : undefined;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (target?.matches('input, textarea, select')) {
      if (event.key === 'Escape') target.blur();
      return;
    }
    const page = wasG ? pages[event.key] : undefined;
    wasG = event.key === 'g';
    if (page !== undefined) go(page);
    else if (event.key === '?') help();
    else if (event.key === '/') focusSearch();
    else if (event.key === 'j' || event.key === 'k') moveRow(event.key === 'j' ? 1 : -1);
    else return;
    event.preventDefault();
  };
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}

function focusSearch(): void {
  document.querySelector<HTMLElement>('[data-search]')?.focus();
}

function moveRow(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const { activeElement } = document;
  const at = activeElement instanceof HTMLElement ? rows.indexOf(activeElement) : -1;
  rows[Math.min(rows.length - 1, Math.max(0, at + step))]?.focus();
}
