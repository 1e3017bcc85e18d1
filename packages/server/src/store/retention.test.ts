import { v4 as uuidv4 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDelivery } from '../delivery/delivery.fixture.ts';
import type { Database } from './database.ts';
import { openPglite } from './pglite.ts';
import { sweepAttempts, sweepAudit, sweepEvents, sweepOwnRows } from './retention.ts';

describe('retention', () => {
  let database: Database;
  let delivery: Awaited<ReturnType<typeof startDelivery>>;
  const signal = new AbortController().signal;
  const days = { eventDays: 30, attemptDays: 14, auditDays: 400 };

  beforeAll(async () => {
    database = await openPglite();
    delivery = await startDelivery(database);
  });
  afterAll(() => database.close());

  const left = async (clientId: string) =>
    (await database.query('select 1 as one from events where client_id = $1', [clientId])).length;
  const age = (clientId: string) =>
    database.query(`update events set appended_at = now() - interval '31 days' where client_id = $1`, [clientId]);

  it('takes old events that nobody waits for, in batches, and no young ones', async () => {
    const idle = await delivery.tenant();
    const young = await delivery.tenant();
    await delivery.publish(
      idle,
      Array.from({ length: 1_200 }, () => 'A.A'),
    );
    await delivery.publish(young, ['A.A']);
    await age(idle);
    expect(await sweepEvents({ database, ...days }, 0, signal)).toBe(1_200);
    expect(await left(idle)).toBe(0);
    expect(await left(young)).toBe(1);
  });

  it('keeps what an enabled webhook has not delivered, and what was parked, of that tenant only', async () => {
    const blocked = await delivery.tenant();
    const paused = await delivery.tenant();
    const parking = await delivery.tenant();
    const at = await delivery.webhook(blocked, 'http://127.0.0.1:1/');
    await delivery.webhook(paused, 'http://127.0.0.1:1/', { enabled: false });
    for (const tenant of [blocked, paused, parking]) await delivery.publish(tenant, ['A.A', 'A.A', 'A.A']);
    const [parkedEvent] = await database.query<{ event_offset: number }>(
      'select event_offset from events where client_id = $1 order by event_offset offset 1 limit 1',
      [parking],
    );
    const parkingHook = await delivery.webhook(parking, 'http://127.0.0.1:1/');
    await database.query(
      `insert into parked (id, webhook_id, client_id, partition, first_offset, last_offset, event_count)
       values ($1, $2, $3, 0, $4, $4, 1)`,
      [uuidv4(), parkingHook, parking, parkedEvent?.event_offset ?? 0],
    );
    for (const tenant of [blocked, paused, parking]) await age(tenant);
    await sweepEvents({ database, ...days }, 0, signal);
    expect(await left(blocked)).toBe(3);
    expect(await left(paused)).toBe(0);
    expect(await left(parking)).toBe(2);

    // Caught up: the row follows the checkpoint.
    await database.query('update partitions set checkpoint = head where id = 0');
    await database.query('update webhooks set cursor = null where id = $1', [at]);
    await sweepEvents({ database, ...days }, 0, signal);
    expect(await left(blocked)).toBe(0);
  });

  const attemptRows = (kind: string, clientId: string, count: number, each: string) =>
    database.query(
      `insert into attempts (id, webhook_id, client_id, partition, kind, package_id, attempt, event_count, bytes, url,
         started_at, duration_ms, ok)
       select gen_random_uuid(), $2, $2, 0, $1, $2, 1, 1, 1, 'x', now() - n * $4::text::interval, 1, true
       from generate_series(1, $3::integer) as n`,
      [kind, clientId, count, each],
    );

  it('takes old attempts', async () => {
    await attemptRows('delivery', uuidv4(), 30, '1 day');
    expect(await sweepAttempts({ database, ...days }, signal)).toBe(17);
    expect(await sweepAttempts({ database, ...days }, signal)).toBe(0);
  });

  const auditRows = (actor: string, clientId: string, count: number, each: string) =>
    database.query(
      `insert into audit (id, at, actor, action, subject, client_id)
       select gen_random_uuid(), now() - n * interval '${each}', $1, 'webhook.update', 'webhook:x', $2
       from generate_series(1, $3::integer) as n`,
      [actor, clientId, count],
    );
  const auditLeft = (actor: string) =>
    database.query<{ n: number; oldest: number | null }>(
      `select count(*)::integer as n, extract(day from now() - min(at))::integer as oldest from audit where actor = $1`,
      [actor],
    );

  it('takes rows of the audit trail by age, whoever wrote them, in batches', async () => {
    const tenant = uuidv4();
    await auditRows('operator', tenant, 1_000, '1 day');
    await auditRows(`tenant:${tenant}`, tenant, 402, '1 day');
    expect(await sweepAudit({ database, ...days }, signal)).toBe(604);
    expect(await auditLeft('operator')).toEqual([{ n: 399, oldest: 399 }]);
    expect(await auditLeft(`tenant:${tenant}`)).toEqual([{ n: 399, oldest: 399 }]);
    expect(await sweepAudit({ database, ...days }, signal)).toBe(0);
  });

  it('leaves a tenant that writes on and on the newest rows of its own calls, and takes no others', async () => {
    // Broke: every PATCH wrote a row and nothing took any away, so one tenant could fill the database.
    const [busy, calm] = [uuidv4(), uuidv4()];
    await auditRows(`tenant:${busy}`, busy, 1_300, '1 second');
    await auditRows('operator:someone', busy, 200, '1 second');
    await auditRows(`tenant:${calm}`, calm, 100, '1 second');
    expect(await sweepOwnRows({ database, keep: 100 }, 'audit', signal)).toBe(1_200);
    const [kept] = await database.query<{ n: number; young: boolean }>(
      `select count(*)::integer as n, (max(now() - at) < interval '200 seconds') as young from audit where actor = $1`,
      [`tenant:${busy}`],
    );
    expect(kept).toEqual({ n: 100, young: true });
    expect(await auditLeft('operator:someone')).toMatchObject([{ n: 200 }]);
    expect(await auditLeft(`tenant:${calm}`)).toMatchObject([{ n: 100 }]);
    expect(await sweepOwnRows({ database, keep: 100 }, 'audit', signal)).toBe(0);
  });

  it('takes what was left of a tenant that writes no more, when a process starts', async () => {
    const quiet = uuidv4();
    await auditRows(`tenant:${quiet}`, quiet, 150, '1 day');
    expect(await sweepOwnRows({ database, keep: 100 }, 'audit', signal)).toBe(0);
    expect(await sweepOwnRows({ database, keep: 100, ofWhom: 'all' }, 'audit', signal)).toBeGreaterThanOrEqual(50);
    expect(await auditLeft(`tenant:${quiet}`)).toEqual([{ n: 100, oldest: 100 }]);
  });

  it('leaves a tenant the newest of its test deliveries, and takes no deliveries', async () => {
    const [busy, calm] = [uuidv4(), uuidv4()];
    await attemptRows('test', busy, 1_300, '1 second');
    await attemptRows('delivery', busy, 200, '1 second');
    await attemptRows('test', calm, 100, '1 second');
    expect(await sweepOwnRows({ database, keep: 100 }, 'attempts', signal)).toBe(1_200);
    expect(
      await database.query(
        `select kind, client_id = $1 as busy, count(*)::integer as n,
           (max(now() - started_at) < interval '200 seconds') as young
         from attempts where client_id in ($1, $2) group by 1, 2 order by 1, 2`,
        [busy, calm],
      ),
    ).toEqual([
      { kind: 'delivery', busy: true, n: 200, young: false },
      { kind: 'test', busy: false, n: 100, young: true },
      { kind: 'test', busy: true, n: 100, young: true },
    ]);
    expect(await sweepOwnRows({ database, keep: 100 }, 'attempts', signal)).toBe(0);
  });
});
