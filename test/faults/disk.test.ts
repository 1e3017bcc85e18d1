// The disk of the database: the power is cut (everything that was not yet on the disk is gone), and it is full.
//
// A power cut without special devices: the cluster lives on an ext4 in a loop file; all its processes are stopped, the file is
// copied, which has what was fsynced and not what the kernel held back, and the cluster goes on from the copy.

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { needsPostgres, postgresUrl } from '../support/postgres.ts';
import { type Cluster, startCluster } from '../support/postgres-cluster.ts';
import { canMount, mountLoopDisk, mountSmallDisk, needsMounts } from './mounts.ts';
import { drawChance } from './seed.ts';
import { Totals } from './totals.ts';
import { makeWorld, type World } from './world.ts';

const run = promisify(execFile);
const chance = drawChance();
const possible = postgresUrl() !== undefined && (await canMount());

async function processesOf(cluster: Cluster): Promise<number[]> {
  const postmaster = cluster.pid();
  if (postmaster === undefined) throw new Error('The server does not run.');
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(postmaster)]);
  return [postmaster, ...stdout.split('\n').map(Number).filter(Boolean)];
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

/** A cluster below the folder. */
async function clusterIn(folder: string): Promise<Cluster> {
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  try {
    return await startCluster();
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}

describe.skipIf(!possible)(`a power cut ${needsPostgres} ${needsMounts}`, () => {
  it('takes nothing that was accepted', async () => {
    const totals = new Totals('power cut', chance.seed);
    const disk = await mountLoopDisk(512);
    let world: World | undefined;
    try {
      const cluster = await clusterIn(disk.path);
      world = await makeWorld({ chance, cluster });
      // The base is old and on the disk; what comes now is young.
      await run('sync', ['-f', disk.path]);
      await world.publishers.more(chance.between(200, 500));
      await sleep(chance.between(0, 500));

      const pids = await processesOf(cluster);
      signal(pids, 'SIGSTOP');
      await disk.photograph();
      signal(pids, 'SIGKILL');
      await cluster.crash();
      await disk.develop();
      await rm(join(cluster.dataDir, 'postmaster.pid'), { force: true });
      await cluster.start();
      totals.fault('power cut', world.webhooks.length);

      await world.publishers.more(50);
      totals.round(world, await world.settle());
      totals.print();
    } finally {
      await world?.close();
      await disk.remove();
    }
  }, 180_000);
});

describe.skipIf(!possible)(`a full disk ${needsPostgres} ${needsMounts}`, () => {
  it('is answered with 503, and everything goes on when there is room again', async () => {
    const world = await makeWorld({ chance, tenants: 2, webhooksPerTenant: 2, pauseMs: 10 });
    const account = (await run('stat', ['-c', '%U', world.cluster.dataDir])).stdout.trim();
    const disk = await mountSmallDisk(1, account);
    try {
      await world.sql.unsafe(`create tablespace small location '${disk.path}'`);
      await world.sql`alter table events set tablespace small`;
      await expect.poll(() => world.publishers.refused, { timeout: 60_000 }).toBeGreaterThan(3);
      const [service] = world.apis;
      expect(service?.said()).toMatch(/could not extend file .*No space left on device/);
      expect(world.publishers.unexpected).toEqual([]);
      await disk.grow(256);
      await world.publishers.more(50);
      expect(await world.settle()).toMatchObject({ lost: 0, outOfOrder: 0, skipped: 0, changed: 0 });
    } finally {
      await world.close();
      await disk.remove();
    }
  }, 180_000);
});
