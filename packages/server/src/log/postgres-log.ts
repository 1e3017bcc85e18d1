// The event log in PostgreSQL (or PGlite): one table, a row an event, offsets handed out under the partition's row lock.
//
// One statement takes the lock, moves the head and inserts, so the lock is held for one round trip and offsets become
// visible in order: whoever holds the lock commits before the next one gets its offsets. Duplicates are skipped by the
// unique index on (client_id, id); their offsets stay unused. Rows go as prepared multi-row VALUES: at 100 rows 55,600
// events/s here against 38,600 with unnest, at 1,000 rows 78,800 against 20,900.

import type { Observer } from '../observe/observer.ts';
import type { Database, Parameter, Queryable } from '../store/database.ts';
import { DatabaseError } from '../store/database.ts';
import type { Signals } from '../store/signals.ts';
import {
  type AppendResult,
  type EventLog,
  type LogEvent,
  LogOverloadedError,
  type NewEvent,
  type ReadFilter,
  type StoredBatch,
} from './event-log.ts';
import { GroupCommit } from './group-commit.ts';

export interface PostgresLogOptions {
  readonly database: Database;
  readonly signals: Signals;
  /** Bodies of one append transaction, unless a single call brings more. */
  readonly maxBatchBytes?: number;
  /** Bodies that may wait in memory for their append, over all partitions; more is refused. */
  readonly maxWaitingBytes?: number;
  readonly observer?: Pick<Observer, 'appended'> | undefined;
}

/** Row counts a statement is prepared for; a batch is padded to the next one, so that few statements serve all sizes. */
const statementRows = [1, 2, 4, 8, 16, 32, 64, 100, 128, 200, 256, 300, 400, 512, 700, 1000] as const;
const maxStatementRows = 1000;

interface EventRow {
  event_offset: number;
  client_id: string;
  id: string;
  type: string;
  body: string;
  appended_at: Date;
}

export function createPostgresLog(options: PostgresLogOptions): EventLog {
  const { database, signals, observer, maxBatchBytes = 4 * 1024 * 1024, maxWaitingBytes = 64 * 1024 * 1024 } = options;
  let waitingBytes = 0;
  const queues = new Map<number, GroupCommit<readonly NewEvent[], AppendResult>>();

  function queueOf(partition: number): GroupCommit<readonly NewEvent[], AppendResult> {
    let queue = queues.get(partition);
    if (!queue) {
      queue = new GroupCommit({
        write: async (callers) => {
          const startedMs = performance.now();
          const { results, stored } = await appendBatch(database, partition, callers);
          observe(results, performance.now() - startedMs);
          if (stored.events.length > 0) signals.appended(partition, stored);
          return results;
        },
        weigh: bodyBytes,
        maxWeight: maxBatchBytes,
        isRefusal: (error) => error instanceof DatabaseError && error.code === 'rejected',
      });
      queues.set(partition, queue);
    }
    return queue;
  }

  function observe(results: readonly AppendResult[], durationMs: number): void {
    if (!observer) return;
    let accepted = 0;
    let duplicates = 0;
    for (const result of results) {
      accepted += result.accepted;
      duplicates += result.duplicates;
    }
    observer.appended(accepted, duplicates, durationMs);
  }

  return {
    async append(partition, events) {
      if (events.length === 0) return { accepted: 0, duplicates: 0 };
      const bytes = bodyBytes(events);
      if (waitingBytes > 0 && waitingBytes + bytes > maxWaitingBytes) throw new LogOverloadedError();
      waitingBytes += bytes;
      return queueOf(partition)
        .add(events)
        .finally(() => {
          waitingBytes -= bytes;
        });
    },

    async read(partition, after, { limit, maxBytes, upTo, filter }) {
      const parameters: Parameter[] = [partition, after, limit, maxBytes];
      const conditions = filterConditions(filter, parameters);
      if (upTo !== undefined) conditions.push(`event_offset <= $${parameters.push(upTo)}`);
      // Lengths are known without unpacking long bodies; those beyond the bound never leave the server.
      const rows = await database.query<EventRow>(
        `select event_offset, client_id, id, type, body, appended_at from (
           select page.*, sum(octet_length(body)) over (order by event_offset) - octet_length(body) as bytes_before from (
             select event_offset, client_id, id, type, body, appended_at from events
             where partition = $1 and event_offset > $2 ${conditions.map((text) => `and ${text}`).join(' ')}
             order by event_offset limit $3
           ) as page
         ) as sized where bytes_before < $4 order by event_offset`,
        parameters,
      );
      const bytes = rows.reduce((sum, row) => sum + Buffer.byteLength(row.body), 0);
      return { events: rows.map(toLogEvent), atEnd: rows.length < limit && bytes < maxBytes };
    },

    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.drained()));
    },
  };
}

/** In UTF-16 units: near enough to bytes for a bound. */
function bodyBytes(events: readonly NewEvent[]): number {
  return events.reduce((bytes, event) => bytes + event.body.length, 0);
}

function toLogEvent(row: EventRow): LogEvent {
  return {
    offset: row.event_offset,
    clientId: row.client_id,
    id: row.id,
    type: row.type,
    body: row.body,
    appendedAt: row.appended_at,
  };
}

/** The rule of `matches` in `@bellhop/events`, as SQL: `ALL` wins over a list, and only with it exclusions count. */
export function filterConditions(filter: ReadFilter | undefined, parameters: Parameter[]): string[] {
  const conditions: string[] = [];
  if (filter?.clientId !== undefined) conditions.push(`client_id = $${parameters.push(filter.clientId)}`);
  if (!filter?.type) return conditions;
  if (!filter.type.includes('ALL')) {
    conditions.push(`split_part(type, '.', 1) = any($${parameters.push([...filter.type])}::text[])`);
  } else if (filter.excludeType && filter.excludeType.length > 0) {
    conditions.push(`split_part(type, '.', 1) <> all($${parameters.push([...filter.excludeType])}::text[])`);
  }
  return conditions;
}

async function appendBatch(
  database: Database,
  partition: number,
  callers: readonly (readonly NewEvent[])[],
): Promise<{ results: AppendResult[]; stored: StoredBatch }> {
  const events = callers.flat();
  const insertAll = async (on: Queryable): Promise<Inserted[]> => {
    const inserted: Inserted[] = [];
    for (let start = 0; start < events.length; start += maxStatementRows) {
      inserted.push(await insert(on, partition, events.slice(start, start + maxStatementRows)));
    }
    return inserted;
  };
  // One statement is a transaction by itself.
  const inserted =
    events.length <= maxStatementRows ? await insertAll(database) : await database.transaction(insertAll);

  // The lock was held over all statements: their offsets follow each other.
  const after = inserted[0]?.base ?? 0;
  const stored = storedEvents(events, after, inserted, new Date());
  const isStored = stored.length === events.length ? undefined : new Set(stored.map(({ offset }) => offset));
  let offset = after;
  const results = callers.map((own) => {
    if (!isStored) return { accepted: own.length, duplicates: 0 };
    let accepted = 0;
    for (const _ of own) if (isStored.has(++offset)) accepted += 1;
    return { accepted, duplicates: own.length - accepted };
  });
  return { results, stored: { after, upTo: after + events.length, events: stored } };
}

function storedEvents(
  events: readonly NewEvent[],
  after: number,
  inserted: readonly Inserted[],
  appendedAt: Date,
): LogEvent[] {
  const toStored = ({ clientId, id, type, body }: NewEvent, offset: number): LogEvent => ({
    offset,
    clientId,
    id,
    type,
    body,
    appendedAt,
  });
  if (inserted.every(({ offsets }) => offsets === undefined)) {
    return events.map((event, index) => toStored(event, after + 1 + index));
  }
  const stored: LogEvent[] = [];
  for (const { base, rows, offsets } of inserted) {
    for (const offset of offsets ?? Array.from({ length: rows }, (_, index) => base + 1 + index)) {
      const event = events[offset - after - 1];
      if (event) stored.push(toStored(event, offset));
    }
  }
  return stored;
}

/** What one statement stored of its events, at `base + 1` to `base + rows`. */
interface Inserted {
  readonly base: number;
  readonly rows: number;
  /** Of those that are stored; undefined when all are, which is nearly always: then nothing need be read. */
  readonly offsets: readonly number[] | undefined;
}

async function insert(on: Queryable, partition: number, events: readonly NewEvent[]): Promise<Inserted> {
  const rows = statementRows.find((count) => count >= events.length) ?? maxStatementRows;
  const parameters: Parameter[] = new Array(2 + rows * 4).fill(null);
  parameters[0] = partition;
  parameters[1] = events.length;
  for (const [index, event] of events.entries()) {
    const at = 2 + index * 4;
    parameters[at] = event.clientId;
    parameters[at + 1] = event.id;
    parameters[at + 2] = event.type;
    parameters[at + 3] = event.body;
  }
  const [stored] = await on.query<{ base: number; duplicates: number; offsets: string | null }>(
    insertStatement(rows),
    parameters,
  );
  if (!stored) throw new TypeError(`There is no partition ${partition}.`);
  const { base, duplicates, offsets } = stored;
  return {
    base,
    rows: events.length,
    offsets: duplicates === 0 ? undefined : (offsets?.split(',') ?? []).map(Number),
  };
}

const statements = new Map<number, string>();

/** `appended_at` is the clock under the lock, not the start of the transaction: it never runs against the offsets. */
function insertStatement(rows: number): string {
  let text = statements.get(rows);
  if (text === undefined) {
    const values = Array.from({ length: rows }, (_, index) => {
      const at = 3 + index * 4;
      return `(${index + 1}, $${at}::uuid, $${at + 1}::uuid, $${at + 2}::text, $${at + 3}::text)`;
    });
    text = `with head as (
        update partitions set head = head + $2::integer where id = $1 returning head - $2::integer as base
      ), stored as (
        insert into events (partition, event_offset, client_id, id, type, body, appended_at)
        select $1, head.base + item.position, item.client_id, item.id, item.type, item.body, clock_timestamp()
        from head, (values ${values.join(', ')}) as item (position, client_id, id, type, body)
        where item.id is not null order by item.position
        on conflict on constraint events_id do nothing
        returning event_offset
      )
      select base, $2::integer - count(event_offset)::integer as duplicates,
        case when count(event_offset) < $2::integer then string_agg(event_offset::text, ',' order by event_offset) end as offsets
      from head left join stored on true group by base`;
    statements.set(rows, text);
  }
  return text;
}
