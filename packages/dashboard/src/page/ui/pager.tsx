// Pages of a list by cursor: the cursor is in the URL, so that a page can be shared; the browser's back button is "back".
// A second list of a page keeps its cursor to itself.

import { useState } from 'preact/hooks';
import { useSearchParams } from 'wouter-preact';

export interface Paging {
  readonly cursor: string | undefined;
  readonly go: (cursor: string | undefined) => void;
}

export function usePaging(): Paging {
  const [search, setSearch] = useSearchParams();
  return {
    cursor: search.get('cursor') ?? undefined,
    go(cursor) {
      const next = new URLSearchParams(search);
      if (cursor === undefined) next.delete('cursor');
      else next.set('cursor', cursor);
      setSearch(next);
    },
  };
}

export function useOwnPaging(): Paging {
  const [cursor, go] = useState<string>();
  return { cursor, go };
}

export function Pager({
  paging,
  next,
  label = 'Pages',
}: {
  readonly paging: Paging;
  readonly next: string | null | undefined;
  readonly label?: string;
}) {
  if (paging.cursor === undefined && (next === null || next === undefined)) return null;
  return (
    <nav class="pager" aria-label={label}>
      <button type="button" disabled={paging.cursor === undefined} onClick={() => paging.go(undefined)}>
        First page
      </button>
      <button type="button" disabled={next === null || next === undefined} onClick={() => paging.go(next ?? undefined)}>
        Next page
      </button>
    </nav>
  );
}
