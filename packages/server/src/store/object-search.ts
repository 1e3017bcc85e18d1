// Events about one object: those whose `object.id` is the one asked for. There is no index for it, because every event
// would pay for one: a call looks at a bounded stretch of the tenant's partition, newest first, says how far back it came,
// and the next one goes on from there.

import type { Database, Parameter } from './database.ts';
import type { EventRow } from './operator-events.ts';
import { lastOffsetBefore } from './webhook-position.ts';

/** Rows of the partition that one call looks at. */
const maxLookedAt = 15_000;

export interface ObjectSearch {
  readonly clientId: string;
  readonly partition: number;
  readonly objectId: string;
  readonly type?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  /** Only offsets below: where the call before ended. */
  readonly below?: number | undefined;
  readonly limit: number;
}

export interface ObjectSearchResult {
  readonly rows: readonly EventRow[];
  /** Where to go on; undefined when the beginning was reached. */
  readonly below: number | undefined;
  /** The time of the oldest event that was looked at, when there is more before it. */
  readonly searchedBackTo: Date | undefined;
}

/** Letters as they stand in JSON without an escape. */
export const objectIdPattern = /^[!#-[\]-~]{1,200}$/;

export async function searchObject(database: Database, search: ObjectSearch): Promise<ObjectSearchResult> {
  const { clientId, partition, objectId, limit } = search;
  const above = search.since ? await lastOffsetBefore(database, partition, search.since) : 0;
  const until = search.until
    ? (await lastOffsetBefore(database, partition, search.until)) + 1
    : Number.MAX_SAFE_INTEGER;
  const below = Math.min(until, search.below ?? Number.MAX_SAFE_INTEGER);
  const [floor] = await database.query<{ event_offset: number; appended_at: Date }>(
    `select event_offset, appended_at from events
     where partition = $1 and event_offset > $2 and event_offset < $3
     order by event_offset desc offset ${maxLookedAt - 1} limit 1`,
    [partition, above, below],
  );
  const parameters: Parameter[] = [partition, floor ? floor.event_offset - 1 : above, below, limit, clientId, objectId];
  let ofType = '';
  if (search.type !== undefined) {
    const value = `$${parameters.push(search.type)}::text`;
    ofType = search.type.includes('.') ? `and type = ${value}` : `and split_part(type, '.', 1) = ${value}`;
  }
  const rows = await database.query<EventRow>(
    // The text is looked for first: only the few that hold it are parsed.
    `select partition, event_offset, client_id, id, type, substr(body, 1, 160) as beginning, octet_length(body) as bytes,
       appended_at
     from events
     where partition = $1 and event_offset > $2 and event_offset < $3 and client_id = $5 ${ofType}
       and case when strpos(body, '"' || $6::text || '"') > 0 then body::json #>> '{object,id}' = $6::text else false end
     order by event_offset desc limit $4`,
    parameters,
  );
  if (rows.length === limit) {
    const last = rows.at(-1);
    return { rows, below: last?.event_offset, searchedBackTo: last?.appended_at };
  }
  return { rows, below: floor?.event_offset, searchedBackTo: floor?.appended_at };
}
