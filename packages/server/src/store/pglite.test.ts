import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePartitions, migrate } from './migrate.ts';
import { openPglite } from './pglite.ts';

describe('the embedded database', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bellhop-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('migrates, keeps its data over a restart and levels out the types', async () => {
    const first = await openPglite({ dataDir: join(dir, 'a') });
    await migrate(first);
    await migrate(first);
    await ensurePartitions(first, 100);
    await ensurePartitions(first, 100);
    await first.close();
    const second = await openPglite({ dataDir: join(dir, 'a') });
    const rows = await second.query<{ n: number; at: Date; list: string[]; bytes: Uint8Array; doc: unknown }>(
      `select count(*) as n, now() as at, $1::text[] as list, $2::bytea as bytes, $3::text::jsonb as doc from partitions`,
      [['a', 'b"c'], new Uint8Array([1, 2]), JSON.stringify({ a: [1] })],
    );
    expect(rows[0]).toMatchObject({ n: 100, list: ['a', 'b"c'], doc: { a: [1] } });
    expect(rows[0]?.at).toBeInstanceOf(Date);
    expect([...(rows[0]?.bytes ?? [])]).toEqual([1, 2]);
    await second.close();
  });

  it('refuses a directory that is in use', async () => {
    const holder = await openPglite({ dataDir: join(dir, 'b') });
    await expect(openPglite({ dataDir: join(dir, 'b') })).rejects.toMatchObject({ code: 'data_dir_in_use' });
    await holder.close();
    await (await openPglite({ dataDir: join(dir, 'b') })).close();
  });

  it('refuses a directory that holds something else, or cannot be made', async () => {
    await mkdir(join(dir, 'c', 'db'), { recursive: true });
    await writeFile(join(dir, 'c', 'db', 'holiday.jpg'), '');
    await expect(openPglite({ dataDir: join(dir, 'c') })).rejects.toMatchObject({ code: 'data_dir_foreign' });
    await writeFile(join(dir, 'file'), '');
    await expect(openPglite({ dataDir: join(dir, 'file', 'x') })).rejects.toMatchObject({
      code: 'data_dir_unwritable',
    });
  });

  it('refuses a schema that is newer than itself', async () => {
    const database = await openPglite();
    await migrate(database);
    await database.query('insert into migrations (id) values (9999)');
    await expect(migrate(database)).rejects.toMatchObject({ code: 'schema_newer' });
    await database.close();
  });
});
