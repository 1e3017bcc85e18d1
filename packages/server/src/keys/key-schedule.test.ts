// A quarter of a year of the key schedule on real PostgreSQL, with a clock of its own and several processes that look at the same time.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import { listAudit } from '../store/audit.ts';
import type { Database } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { openPostgres } from '../store/postgres.ts';
import { keepKeySchedule, rotateWhenDue } from './key-schedule.ts';
import { createServiceKeys } from './postgres-service-keys.ts';
import type { RotateResult, ServiceKeys } from './service-keys.ts';

const hourMs = 60 * 60 * 1000;
const dayMs = 24 * hourMs;

describe.skipIf(!postgresUrl())(`the key schedule ${needsPostgres}`, () => {
  let databases: Database[];
  let drop: () => Promise<void>;
  let nowMs: number;
  const now = () => nowMs;

  beforeAll(async () => {
    const fresh = await freshDatabase();
    drop = fresh.drop;
    databases = await Promise.all(Array.from({ length: 4 }, () => openPostgres({ url: fresh.url })));
    await migrate(first());
  });
  beforeEach(async () => {
    nowMs = Date.parse('2026-01-01T00:00:00Z');
    await first().query('delete from signing_keys');
    await first().query('delete from audit');
  });
  afterAll(async () => {
    for (const database of databases) await database.close();
    await drop();
  });

  function first(): Database {
    const [database] = databases;
    if (!database) throw new TypeError('There is no database');
    return database;
  }

  const processes = (): { database: Database; keys: ServiceKeys }[] =>
    databases.map((database) => ({ database, keys: createServiceKeys({ database, now, algorithm: 'ed25519' }) }));
  const audit = () => listAudit(first(), { action: 'signing_keys.rotate', limit: 200 });

  it('rotates once however many processes look, and each rotation is audited', async () => {
    const all = processes();
    const before = await Promise.all(all.map(({ keys }) => keys.active()));
    expect(new Set(before.map(({ keyId }) => keyId)).size).toBe(1);
    nowMs += 30 * dayMs;
    const results = await Promise.all(
      [...all, ...all, ...all].map((each) => rotateWhenDue({ ...each, rotationDays: 30, now })),
    );
    const rotated = results.filter((result) => result.rotated);
    expect(rotated).toHaveLength(1);
    expect(results.filter((result) => !result.rotated && result.reason === 'active_key_too_young')).toHaveLength(11);
    // Those that had the old key in memory see the new one within a minute.
    nowMs += 60_000;
    const after = await Promise.all(all.map(({ keys }) => keys.active()));
    expect(new Set(after.map(({ keyId }) => keyId))).toEqual(new Set(rotated.map(({ active }) => active)));
    expect(await audit()).toMatchObject([
      {
        actor: 'schedule',
        subject: 'signing_keys',
        before: { active: before[0]?.keyId },
        after: { active: after[0]?.keyId, forced: false },
      },
    ]);
  });

  it('publishes a key a day before it signs and a day after, for a quarter of a year of looks', async () => {
    const all = processes();
    const publishedHours = new Map<string, number[]>();
    const activeHours = new Map<string, number[]>();
    const [one] = all;
    if (!one) throw new TypeError('There is no process');
    const rotationDays = 30;
    const stepHours = 12;
    for (let hour = 0; hour < 95 * 24; hour += stepHours) {
      // Each look is another process's turn.
      const each = all[(hour / stepHours) % all.length] ?? one;
      await rotateWhenDue({ ...each, rotationDays, now });
      const active = (await each.keys.active()).keyId;
      activeHours.set(active, [...(activeHours.get(active) ?? []), hour]);
      for (const { kid } of await each.keys.published()) {
        publishedHours.set(kid, [...(publishedHours.get(kid) ?? []), hour]);
      }
      nowMs += stepHours * hourMs;
    }
    expect(activeHours.size).toBe(4);
    const keys = [...activeHours].map(([kid, hours]) => {
      const published = publishedHours.get(kid) ?? [];
      return {
        signedHours: hours.length * stepHours,
        earlyHours: (hours[0] ?? 0) - (published[0] ?? 0),
        lateHours: (published.at(-1) ?? 0) - (hours.at(-1) ?? 0),
      };
    });
    const [made, ...later] = keys;
    expect(made?.signedHours).toBe(rotationDays * 24);
    // The first two keys are made together and nobody has an older one.
    for (const key of later) expect(key.earlyHours).toBeGreaterThanOrEqual(24);
    for (const key of keys.slice(0, -1)) {
      expect(key.signedHours).toBe(rotationDays * 24);
      expect(key.lateHours).toBeGreaterThanOrEqual(24);
    }
    expect(await audit()).toHaveLength(3);
    const rows = await first().query<{ status: string; empty: boolean }>(
      "select status, private_key = '' as empty from signing_keys",
    );
    expect(rows.filter(({ status, empty }) => (status === 'retired') !== empty)).toEqual([]);
  });

  it('starts anew with a rotation on demand, and never hurries a next key that is too young', async () => {
    const [one] = processes();
    if (!one) throw new TypeError('There is no process');
    const look = () => rotateWhenDue({ ...one, rotationDays: 30, now });
    await one.keys.active();
    nowMs += 29 * dayMs;
    await one.database.transaction((tx) => one.keys.rotate(tx, { force: true }));
    one.keys.forget();
    nowMs += dayMs;
    expect(await look()).toMatchObject({ rotated: false, reason: 'active_key_too_young' });
    nowMs += 29 * dayMs;
    expect(await look()).toMatchObject({ rotated: true });
    await first().query("update signing_keys set activated_at = $1 where status = 'active'", [new Date(0)]);
    nowMs += dayMs - 1;
    expect(await look()).toMatchObject({ rotated: false, reason: 'next_key_too_young' });
    nowMs += 1;
    expect(await look()).toMatchObject({ rotated: true });
  });

  it('goes on after a look that failed, and ends with its signal', async () => {
    const [one] = processes();
    if (!one) throw new TypeError('There is no process');
    await one.keys.active();
    nowMs += 30 * dayMs;
    const stopping = new AbortController();
    const failures: unknown[] = [];
    let failing = true;
    const keys: ServiceKeys = {
      ...one.keys,
      rotate: async (tx, options) => {
        if (!failing) return one.keys.rotate(tx, options);
        failing = false;
        throw new Error('the disk is full');
      },
    };
    const rotated = new Promise<RotateResult>((resolve) => {
      void keepKeySchedule(
        {
          ...one,
          keys,
          rotationDays: 30,
          now,
          everyMs: 1,
          onRotated: (rotation) => {
            stopping.abort();
            resolve(rotation);
          },
          onError: (error) => failures.push(error),
        },
        stopping.signal,
      );
    });
    expect(await rotated).toMatchObject({ rotated: true });
    expect(failures).toEqual([new Error('the disk is full')]);
  });
});
