// The event log port: the append-only, ordered store of events, cut into partitions. A tenant lives in one partition; an
// offset is a position in it: ordered, not dense. The PostgreSQL adapter is `postgres-log.ts`.
//
// Guarantees: an append that resolves is committed; offsets become visible in order, so a reader that has read up to an
// offset never misses one below it; the same event id of a tenant is stored once and the first wins.

/**
 * An event on its way in. `body` is its JSON text as it will be sent, without `webhook_id`, its members in the order id,
 * created_at, type, object. `id` here is in canonical lower case, in `body` it stands as it was sent.
 */
export interface NewEvent {
  readonly clientId: string;
  readonly id: string;
  readonly type: string;
  readonly body: string;
}

export interface LogEvent extends NewEvent {
  readonly offset: number;
  readonly appendedAt: Date;
}

/** What one append transaction of this process stored: every event of the partition above `after`, up to `upTo`. */
export interface StoredBatch {
  readonly after: number;
  readonly upTo: number;
  readonly events: readonly LogEvent[];
}

export interface AppendResult {
  /** Events stored by this call. */
  readonly accepted: number;
  /** Events whose id the tenant had published before: nothing was stored for them. */
  readonly duplicates: number;
}

/** What a reader wants: one tenant's events, or those of all tenants of the partition. */
export interface ReadFilter {
  readonly clientId?: string | undefined;
  readonly type?: readonly string[] | undefined;
  readonly excludeType?: readonly string[] | undefined;
}

export interface ReadOptions {
  /** At most so many events. */
  readonly limit: number;
  /** At most so many bytes of bodies, but always one event. */
  readonly maxBytes: number;
  readonly upTo?: number | undefined;
  readonly filter?: ReadFilter | undefined;
}

export interface LogPage {
  readonly events: readonly LogEvent[];
  /** Nothing else matched when it was read: neither bound cut the page short. */
  readonly atEnd: boolean;
}

export interface EventLog {
  /** All or nothing: resolves once every event is committed, or was there before. */
  append(partition: number, events: readonly NewEvent[]): Promise<AppendResult>;
  /** Events with an offset above `after` (and up to `upTo`), in order of offset. */
  read(partition: number, after: number, options: ReadOptions): Promise<LogPage>;
  close(): Promise<void>;
}

/** More waits to be stored than the configuration allows: nothing of this call was stored, it may be tried again. */
export class LogOverloadedError extends Error {
  override readonly name = 'LogOverloadedError';
  readonly code = 'log_overloaded';

  constructor() {
    super('More events wait to be stored than may wait; try again in a second.');
  }
}
