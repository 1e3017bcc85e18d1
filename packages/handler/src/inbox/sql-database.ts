// What the inboxes on SQL need of a database, and what differs between PostgreSQL and SQLite. Rows are lists of columns: a
// user's handle may rename columns on the way. Times are integers, milliseconds since 1970.
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

/** What is new in a row of the inbox, as columns take it. */
export interface EventRow {
  readonly id: string;
  readonly key: string | null;
  readonly type: string;
  /** JSON without line breaks. */
  readonly event: string;
  readonly receivedAtMs: number;
}

export interface Unpacked {
  /** 0: no package was left. */
  readonly events: number;
  /** Of these, known already. */
  readonly duplicates: number;
}

export interface NonceRow {
  readonly keyId: string;
  readonly nonce: string;
  readonly forgetAfter: number;
}

export interface Dialect {
  /** Whether a transaction locks the rows it has read `for update`; SQLite locks the whole database at its first query. */
  readonly rowLocks: boolean;
  readonly skipLocked: string;
  /** Claims, and changes of the order within keys, exclude each other and every closing of an event. */
  lock(queries: Queries, what: 'claim' | 'change' | 'close'): Promise<void>;
  /** Batches written at the same time. */
  readonly maxWrites: number;
  /**
   * Stores all packages or none; returns how many events of each were new, as far as it is known before `unpack`. Of an id
   * that comes twice the first one counts.
   */
  insert(packages: readonly (readonly EventRow[])[]): Promise<readonly number[]>;
  /** Where `insert` keeps packages whole: makes rows of the oldest of them. One at a time, under the lock of claims. */
  unpack?(queries: Queries): Promise<Unpacked>;
  /** A number above every `seq` so far, with room for more than any one statement takes. */
  nextBase(queries: Queries): Promise<number>;
  /** Whether each was new. Does not wait for the disk. */
  rememberNonces(rows: readonly NonceRow[]): Promise<readonly boolean[]>;
}

/** Names of tables; checked, because they become part of statements. */
export interface Tables {
  readonly inbox: string;
  /** Of a dialect that unpacks. */
  readonly packages: string;
  readonly nonces: string;
  readonly marks: string;
  readonly sequence: string;
}

export function tablesOf(name: string): Tables {
  if (!/^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,49}$/.test(name)) {
    throw new TypeError('The table name has small letters, digits and underscores, 50 at most, and maybe a schema');
  }
  return {
    inbox: name,
    packages: `${name}_packages`,
    nonces: `${name}_nonces`,
    marks: `${name}_marks`,
    sequence: `${name}_seq`,
  };
}

/** `$1, $2, …`, beginning after `taken` others. */
export function placeholders(count: number, taken: number): string {
  return Array.from({ length: count }, (_, index) => `$${taken + index + 1}`).join(', ');
}
