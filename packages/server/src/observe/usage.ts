// Who used what, for the page of a tenant: when each key last signed a call, and which calls were refused, why. Counted in
// memory and written once in ten seconds, so a call pays for a map entry; a killed process loses the last of it.
//
// The client id of a refused call is what the caller claimed. Only those of tenants are kept, and no more than
// `maxEntries` between two writes, so that a stranger who makes ids up fills neither memory nor table.

import type { Database } from '../store/database.ts';

const flushEveryMs = 10_000;
const hourMs = 3_600_000;
const maxEntries = 10_000;
/** A key that signs all day is written once a minute. */
const keyPreciseToMs = 60_000;

export interface Usage {
  keyUsed(keyId: string): void;
  /** `reason` from a closed list: it is kept as it is. */
  refused(clientId: string, reason: string): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface RefusedCalls {
  readonly reason: string;
  readonly calls: number;
  readonly last_hour: Date;
}

export function createUsage(options: {
  readonly database: Database;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): Usage {
  const { database, now, onError } = options;
  /** By key, when it was written last. */
  const written = new Map<string, number>();
  let used = new Map<string, Date>();
  let refusals = new Map<string, { clientId: string; hour: Date; reason: string; calls: number }>();

  async function flush(): Promise<void> {
    const keys = [...used];
    const counts = [...refusals.values()];
    used = new Map();
    refusals = new Map();
    if (written.size > maxEntries) written.clear();
    if (keys.length > 0) {
      await database.query(
        `update tenant_keys k set last_used_at = u.at from unnest($1::uuid[], $2::timestamptz[]) as u (id, at)
         where k.key_id = u.id and (k.last_used_at is null or k.last_used_at < u.at)`,
        [keys.map(([id]) => id), keys.map(([, at]) => at.toISOString())],
      );
    }
    if (counts.length > 0) {
      await database.query(
        `insert into refused_calls (client_id, hour, reason, calls)
         select t.client_id, r.hour, r.reason, r.calls
         from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bigint[]) as r (client_id, hour, reason, calls)
         join tenants t using (client_id)
         on conflict (client_id, hour, reason) do update set calls = refused_calls.calls + excluded.calls`,
        [
          counts.map(({ clientId }) => clientId),
          counts.map(({ hour }) => hour.toISOString()),
          counts.map(({ reason }) => reason),
          counts.map(({ calls }) => String(calls)),
        ],
      );
    }
  }

  let flushing: Promise<void> = Promise.resolve();
  const flushInTurn = (): Promise<void> => {
    const next = flushing.then(flush);
    flushing = next.catch(() => {});
    return next;
  };
  const timer = setInterval(() => void flushInTurn().catch(onError), flushEveryMs);
  timer.unref();

  return {
    keyUsed(keyId) {
      const at = now();
      if (at - (written.get(keyId) ?? 0) < keyPreciseToMs) return;
      written.set(keyId, at);
      used.set(keyId, new Date(at));
    },
    refused(clientId, reason) {
      const hourStartMs = Math.floor(now() / hourMs) * hourMs;
      const name = `${clientId} ${hourStartMs} ${reason}`;
      const known = refusals.get(name);
      if (known) known.calls += 1;
      else if (refusals.size < maxEntries) {
        refusals.set(name, { clientId, hour: new Date(hourStartMs), reason, calls: 1 });
      }
    },
    flush: flushInTurn,
    async close() {
      clearInterval(timer);
      await flushInTurn().catch(onError);
    },
  };
}

/** Most frequent first. */
export async function readRefusedCalls(
  database: Database,
  clientId: string,
  options: {
    readonly since: Date;
    readonly limit: number;
    /** The last row of the page before. */
    readonly after?: { readonly calls: number; readonly reason: string } | undefined;
  },
): Promise<RefusedCalls[]> {
  const { since, limit, after } = options;
  return database.query<RefusedCalls>(
    `select reason, calls, last_hour from (
       select reason, sum(calls)::bigint as calls, max(hour) as last_hour from refused_calls
       where client_id = $1 and hour >= $2 group by reason
     ) as summed
     where $3::bigint is null or calls < $3 or (calls = $3 and reason > $4)
     order by calls desc, reason limit $5`,
    [clientId, since, after?.calls ?? null, after?.reason ?? null, limit],
  );
}

export async function deleteOldRefusedCalls(database: Database, before: Date): Promise<void> {
  await database.query('delete from refused_calls where hour < $1', [before]);
}
