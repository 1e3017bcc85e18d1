// A service that has run for a week, as rows: tenants with webhooks in every state, a log, attempts, an audit trail. Rows of
// the log lie in the order of their appends, partitions and tenants mixed, as they would after that week; some tenants
// publish much and most little.

import { eventTypes } from '@bellhop/events';
import type postgres from 'postgres';

export interface Scale {
  readonly tenants: number;
  readonly webhooks: number;
  readonly events: number;
  readonly attempts: number;
  readonly audit: number;
}

/** Of the log, too few or none: what a search by type has to look for the longest. */
export const rareType = 'ORDER.CANCELLED';
export const absentType = 'USER.OFFBOARDED';

const full: Scale = { tenants: 1_000, webhooks: 10_000, events: 10_000_000, attempts: 2_000_000, audit: 100_000 };

export function scaled(share: number): Scale {
  const of = (rows: number): number => Math.max(1, Math.round(rows * share));
  return {
    tenants: of(full.tenants),
    webhooks: of(full.webhooks),
    events: of(full.events),
    attempts: of(full.attempts),
    audit: of(full.audit),
  };
}

const perAppend = 10;
const rowsPerStatement = 500_000;
const rareOneIn = 200_000;
const week = "interval '7 days'";

/** For a database with the schema and empty tables. Answers the bytes of the database. */
export async function fillDatabase(sql: postgres.Sql, scale: Scale, report: (line: string) => void): Promise<number> {
  const [first] = await sql<{ count: number }[]>`select count(*)::integer as count from partitions`;
  const partitions = first?.count ?? 0;
  await fillTenants(sql, scale, partitions);
  await fillEvents(sql, scale, partitions, report);
  await fillWebhooks(sql, scale);
  await fillAttempts(sql, scale, report);
  await fillRest(sql, scale);
  report('vacuum');
  await sql.unsafe('vacuum (analyze)');
  const [size] = await sql<{ bytes: string }[]>`select pg_database_size(current_database())::text as bytes`;
  return Number(size?.bytes);
}

async function fillTenants(sql: postgres.Sql, { tenants }: Scale, partitions: number): Promise<void> {
  await sql.unsafe(
    `insert into tenants (client_id, name, scopes, partition, secret_hash, created_at, updated_at)
     select gen_random_uuid(), 'Tenant ' || n, '{webhooks:read,webhooks:admin}', n % ${partitions}, 'none',
       now() - ${week} - (${tenants} - n) * interval '1 minute', now() - ${week}
     from generate_series(0, ${tenants - 1}) n`,
  );
  await sql.unsafe(
    `insert into tenant_keys (key_id, client_id, algorithm, public_key, created_at)
     select gen_random_uuid(), client_id, 'ed25519', 'none', created_at from tenants, generate_series(1, 2)`,
  );
}

async function fillEvents(sql: postgres.Sql, scale: Scale, partitions: number, report: (line: string) => void) {
  const types = eventTypes.filter((type) => type !== rareType && type !== absentType);
  await sql.unsafe('alter table events drop constraint events_pkey, drop constraint events_id');
  // Place of each tenant in its partition: appends choose one, those at the front more often.
  await sql.unsafe(
    `create table bench_places as select partition, client_id,
       row_number() over (partition by partition order by created_at)::integer - 1 as place,
       count(*) over (partition by partition)::integer as places from tenants`,
  );
  await sql.unsafe('create unique index on bench_places (partition, place)');
  await sql.unsafe('analyze bench_places');
  for (let start = 0; start < scale.events; start += rowsPerStatement) {
    const end = Math.min(scale.events, start + rowsPerStatement);
    await sql.unsafe(
      `insert into events (partition, event_offset, client_id, id, type, body, appended_at)
       select e.partition, e.event_offset, p.client_id, e.id, e.type,
         '{"id":"' || e.id || '","created_at":"' || to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
         || '","type":"' || e.type || '","object":{"id":"' || gen_random_uuid() || '","created_at":"2026-01-05T09:30:00.000000Z",'
         || '"updated_at":"2026-01-05T09:30:00.123456Z","account_id":"' || p.client_id || '","user_id":"82b49999-1145-4e05-916a-567662daa7bc",'
         || '"cash_amount":"' || e.n % 1000 || '.00","currency":"EUR","side":"BUY","instrument_id":"US0378331005","instrument_id_type":"ISIN",'
         || '"order_type":"MARKET","quantity":"10.4","status":"FILLED","fee":"0.99","initiation_flow":"API",'
         || '"client_reference":"order-' || e.n || '"}}',
         e.at
       from (
         select n, n / ${perAppend} % ${partitions} as partition,
           (n / ${perAppend} / ${partitions})::bigint * ${perAppend} + n % ${perAppend} + 1 as event_offset,
           gen_random_uuid() as id,
           case when n % ${rareOneIn} = 1234 then '${rareType}'
             else ($1::text[])[1 + floor(${types.length} * power(random(), 3))::integer] end as type,
           now() - ${week} * (1 - n::double precision / ${scale.events}) as at,
           (hashint4(n / ${perAppend}) & 65535) / 65536.0 as chance
         from generate_series(${start}, ${end - 1}) n offset 0
       ) e join bench_places places on places.partition = e.partition and places.place = 0
       join bench_places p on p.partition = e.partition and p.place = floor(places.places * e.chance * e.chance)::integer
       order by e.n`,
      [[...types]],
    );
    report(`${end} of ${scale.events} events`);
  }
  await sql.unsafe('alter table events add primary key (partition, event_offset)');
  await sql.unsafe('alter table events add constraint events_id unique (client_id, id)');
  await sql.unsafe('drop table bench_places');
  // A worker that is there for good: nothing is delivered while the pages are measured, and nothing looks broken.
  await sql.unsafe("insert into workers (id, seen_at) values (gen_random_uuid(), now() + interval '1 year')");
  await sql.unsafe(
    `update partitions set owner = (select id from workers limit 1), lease_until = now() + interval '1 year',
       head = log.head, checkpoint = log.head
     from (select partition, max(event_offset) as head from events group by partition) log where log.partition = id`,
  );
}

/** 1 % blocked, 1 % disabled, 1 % with a little to deliver, 0.2 % with much; the blocked ones since up to a week. */
async function fillWebhooks(sql: postgres.Sql, { webhooks, tenants }: Scale): Promise<void> {
  await sql.unsafe(
    `insert into webhooks (id, client_id, partition, title, url, enabled, type, exclude_type, delay, max_package_size,
       created_at, started_at, cursor, pending_id, pending_first, pending_last, attempts, next_attempt_at, blocked_since,
       blocked_reason, blocked_status)
     select gen_random_uuid(), t.client_id, t.partition, 'Webhook ' || w.n, 'https://hooks' || w.n || '.example.com/in',
       state <> 2, case w.n % 3 when 0 then '{ORDER,USER,ACCOUNT}'::text[] else '{ALL}' end,
       case w.n % 3 when 1 then '{ACCOUNT}'::text[] end, '10s', 65536,
       now() - ${week} - (${webhooks} - w.n) * interval '1 second', now() - ${week},
       case state when 1 then behind when 2 then behind when 3 then greatest(p.head - 50, 0) when 4 then behind end,
       case state when 1 then gen_random_uuid() end, case state when 1 then behind + 1 end,
       case state when 1 then least(behind + 20, p.head) end, case state when 1 then 9 else 0 end,
       case state when 1 then now() + interval '10 minutes' end,
       case state when 1 then now() - ${week} * (1 - far) end,
       case state when 1 then 'status_5xx' end, case state when 1 then 500 end
     from (
       select n, case when n % 100 < 4 then n % 100 when n % 500 = 4 then 4 else 0 end as state,
         (n * 7 % 97) / 97.0 as far from generate_series(0, ${webhooks - 1}) n
     ) w
     join (select *, row_number() over (order by created_at) - 1 as n from tenants) t on t.n = w.n % ${tenants}
     join partitions p on p.id = t.partition
     cross join lateral (select floor(p.head * far)::bigint as behind) b`,
  );
}

async function fillAttempts(sql: postgres.Sql, { attempts, webhooks }: Scale, report: (line: string) => void) {
  const each = Math.max(1, Math.round(attempts / webhooks));
  const perStatement = Math.max(1, Math.floor(rowsPerStatement / webhooks));
  for (let start = 0; start < each; start += perStatement) {
    const end = Math.min(each, start + perStatement);
    await sql.unsafe(
      `insert into attempts (id, webhook_id, client_id, partition, kind, package_id, attempt, first_offset, last_offset,
         event_count, bytes, url, started_at, duration_ms, ok, reason, status, request_headers, response_headers,
         response_excerpt)
       select gen_random_uuid(), w.id, w.client_id, w.partition, 'delivery',
         case when stuck then w.pending_id else gen_random_uuid() end, case when stuck then least(a + 1, 9) else 1 end,
         case when stuck then w.pending_first else p.head * a / ${each} + 1 end,
         case when stuck then w.pending_last else p.head * (a + 1) / ${each} end,
         20, 12000, w.url, at, 35, not failed, case when failed then 'status_5xx' end, case when failed then 500 else 200 end,
         case when failed then '{"content-type":"application/json","digest":"SHA-512=0123456789","signature-input":"sig=()","signature":"sig=:0123456789:"}'::jsonb end,
         case when failed then '{"content-type":"text/plain"}'::jsonb end, case when failed then 'Internal Server Error' end
       from generate_series(${start}, ${end - 1}) a cross join webhooks w join partitions p on p.id = w.partition
       cross join lateral (select now() - ${week} * (1 - (a + (hashtext(w.id::text) & 255) / 256.0) / ${each}) as at) t
       cross join lateral (select w.blocked_since is not null and at >= w.blocked_since as stuck) s
       cross join lateral (select stuck or hashtext(w.id::text || a) % 500 = 0 as failed) f
       order by at`,
    );
    report(`${end * webhooks} of ${each * webhooks} attempts`);
  }
}

async function fillRest(sql: postgres.Sql, { audit }: Scale): Promise<void> {
  await sql.unsafe(`update migrations set applied_at = now() - ${week} - interval '1 hour'`);
  await sql.unsafe(
    `insert into audit (id, at, actor, action, subject, client_id, before, after)
     select gen_random_uuid(), now() - ${week} * (1 - g::double precision / ${audit}), 'operator', 'webhook.retry',
       'webhook:' || w.id, w.client_id, '{"attempts":3}', '{"attempts":3}'
     from generate_series(0, ${audit - 1}) g
     join (select id, client_id, row_number() over (order by id) - 1 as n, count(*) over () as count from webhooks) w
       on w.n = g * 31 % w.count`,
  );
  await sql.unsafe(
    `insert into parked (id, webhook_id, client_id, partition, first_offset, last_offset, event_count, reason, parked_at)
     select gen_random_uuid(), id, client_id, partition, 1, 20, 20, 'status_4xx', now() - ${week} * random()
     from webhooks, generate_series(1, 3)`,
  );
  await sql.unsafe(
    `insert into rollups (minute, published_events, delivered_events, delivered_packages, failed_attempts, wire_5)
     select date_trunc('minute', now()) - n * interval '1 minute', 992, 9920, 200, 1, 200
     from generate_series(1, ${7 * 1440}) n on conflict do nothing`,
  );
}
