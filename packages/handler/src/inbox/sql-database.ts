// What the inboxes on SQL need of a database, and what differs between PostgreSQL and SQLite. Rows are lists of columns: a
// user's handle may rename columns on the way. Times are integers, milliseconds since 1970.
import type { InboxEvent } from './inbox.ts';

export type Value = string | number | null;
export type Row = readonly unknown[];

export interface Queries {
  query(text: string, values?: readonly Value[]): Promise<readonly Row[]>;
}

export interface SqlDatabase<Tx> extends Queries {
  /** Commits what the work did, or undoes it when the work throws. Not `isDurable`: a power cut may undo it later on. */
  transaction<T>(
    work: (queries: Queries, tx: Tx) => Promise<T>,
    options?: { readonly isDurable?: boolean },
  ): Promise<T>;
}

export interface Dialect {
  /** Whether a transaction locks the rows it has read `for update`; SQLite locks the whole database at its first query. */
  readonly rowLocks: boolean;
  readonly skipLocked: string;
  /** Claims, and changes of the order within keys, exclude each other and every closing of an event. */
  lock(queries: Queries, what: 'claim' | 'change' | 'close'): Promise<void>;
  /** Returns how many were new. */
  insert(queries: Queries, events: readonly InboxEvent[]): Promise<number>;
  /** A number above every `seq` so far, with room for more than any one statement takes. */
  nextBase(queries: Queries): Promise<number>;
  /** Given key, nonce and forget_after: whether it was new. Does not wait for the disk. */
  rememberNonce(values: readonly Value[]): Promise<boolean>;
}

/** Names of tables; checked, because they become part of statements. */
export interface Tables {
  readonly inbox: string;
  readonly nonces: string;
  readonly marks: string;
  readonly sequence: string;
}

export function tablesOf(name: string): Tables {
  if (!/^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,49}$/.test(name)) {
    throw new TypeError('The table name has small letters, digits and underscores, 50 at most, and maybe a schema');
  }
  return { inbox: name, nonces: `${name}_nonces`, marks: `${name}_marks`, sequence: `${name}_seq` };
}

/** `$1, $2, …`, beginning after `taken` others. */
export function placeholders(count: number, taken: number): string {
  return Array.from({ length: count }, (_, index) => `$${taken + index + 1}`).join(', ');
}
