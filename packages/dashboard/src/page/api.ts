// Calls of the operator API from the page: same origin, with the session's cookie. Answers are values; a refusal carries
// the sentence of the problem document. A 401 ends the session for the whole page.

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Session } from './api-types.ts';
import { isView, pathOf } from './view.ts';

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: number; readonly detail: string };

/** Undefined: not known yet; null: nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined);

/** Grows with every change made here: what is shown is asked for again. */
const changes = signal(0);

export async function call<T>(
  method: 'GET' | 'POST' | 'DELETE' | 'PATCH',
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Result<T>> {
  let response: Response;
  try {
    response = await fetch(pathOf(path), {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    return { ok: false, status: 0, detail: 'The service does not answer.' };
  }
  const text = await response.text().catch(() => '');
  const json: unknown = readJson(text);
  if (response.ok) {
    if (method !== 'GET') changes.value += 1;
    return { ok: true, value: json as T };
  }
  if (response.status === 401 && headers['authorization'] === undefined) session.value = null;
  const detail =
    typeof json === 'object' && json !== null && 'detail' in json ? String(json.detail) : response.statusText;
  return { ok: false, status: response.status, detail };
}

function readJson(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface Loaded<T> {
  /** The last good answer: old rows stay while new ones are asked for. */
  readonly data: T | undefined;
  readonly error: string | undefined;
  readonly reload: () => void;
}

/** GETs a path now, when it changes, after each change made here, and every `everyMs` while the page is visible. */
export function useApi<T>(path: string | undefined, everyMs?: number): Loaded<T> {
  const [data, setData] = useState<T>();
  const [error, setError] = useState<string>();
  const [turn, setTurn] = useState(0);
  const shownPath = useRef<string>();
  const changed = changes.value;

  useEffect(() => {
    if (path === undefined) return;
    let isCurrent = true;
    // Another thing: its predecessor must not pass for it. Another page of a list may.
    if (shownPath.current?.split('?')[0] !== path.split('?')[0]) setData(undefined);
    const load = async (): Promise<void> => {
      const result = await call<T>('GET', path);
      if (!isCurrent) return;
      shownPath.current = path;
      if (result.ok) {
        setData(result.value);
        setError(undefined);
      } else {
        setError(result.detail);
      }
    };
    void load();
    const timer =
      everyMs === undefined
        ? undefined
        : setInterval(() => {
            if (document.visibilityState === 'visible') void load();
          }, everyMs);
    return () => {
      isCurrent = false;
      clearInterval(timer);
    };
  }, [path, turn, changed, everyMs]);

  return { data, error, reload: () => setTurn((before) => before + 1) };
}

export async function loadSession(): Promise<void> {
  const result = await call<Session>('GET', '/operator/session');
  // A link's session has no role: it reads.
  if (result.ok) session.value = isView ? { ...result.value, actor: 'tenant link', role: 'read' } : result.value;
  else if (result.status !== 401 && session.value === undefined) setTimeout(() => void loadSession(), 1_000);
}

/** The query string of what is set. */
export function query(fields: Readonly<Record<string, string | undefined>>): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined && value !== '') pairs.set(name, value);
  const text = pairs.toString();
  return text === '' ? '' : `?${text}`;
}
