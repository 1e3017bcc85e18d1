// The bed that benchmarks lie in: one PostgreSQL cluster set for throughput, a fresh database per run, the service as a
// process of its own (so that its CPU is its own), a sink, and webhooks made over the real API.

import { type ChildProcess, execFile, fork } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ServiceConfig } from '@bellhop/server';
import postgres from 'postgres';
import { Pool } from 'undici';
import { type Cluster, startCluster } from '../../test/support/postgres-cluster.ts';

/** As in the project's measurements of the primitives: no checkpoint in the middle of a run, fsync on. */
const settings = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  fsync: 'on',
  synchronous_commit: 'on',
};

const run = promisify(execFile);

export interface FreshDatabase {
  readonly url: string;
  readonly sql: postgres.Sql;
  /** Bytes of WAL written so far. */
  wal(): Promise<number>;
  drop(): Promise<void>;
}

export interface Bed {
  database(): Promise<FreshDatabase>;
  /** Starts the database server again, with nothing of its data in memory. */
  forget(): Promise<void>;
  /** CPU microseconds of all processes of the database server. */
  databaseCpuMicros(): Promise<number>;
  /** Something that all rounds share, to be ended with the bed: the last first. */
  onClose(end: () => void | Promise<void>): void;
  close(): Promise<void>;
}

export async function makeBed(): Promise<Bed> {
  const cluster: Cluster = await startCluster(undefined, settings);
  const admin = postgres(cluster.url, { max: 1, onnotice: () => {} });
  const shared: (() => void | Promise<void>)[] = [];
  return {
    async database() {
      const name = `bench_${randomBytes(6).toString('hex')}`;
      await admin.unsafe(`create database ${name}`);
      const url = new URL(cluster.url);
      url.pathname = `/${name}`;
      const sql = postgres(url.href, { max: 4, onnotice: () => {}, types: { bigint: postgres.BigInt } });
      return {
        url: url.href,
        sql,
        async wal() {
          const [row] = await sql<{ bytes: string }[]>`select pg_current_wal_lsn() - '0/0'::pg_lsn as bytes`;
          return Number(row?.bytes);
        },
        async drop() {
          await sql.end({ timeout: 5 });
          await admin.unsafe(`drop database ${name} with (force)`);
        },
      };
    },
    async forget() {
      await cluster.stop();
      // Without data, `dd` only says that the file's pages in memory are not needed.
      const evict = [
        '-type',
        'f',
        '-size',
        '+32k',
        '-exec',
        'dd',
        'if={}',
        'iflag=nocache',
        'count=0',
        'status=none',
        ';',
      ];
      await run('find', [cluster.dataDir, ...evict]);
      await cluster.start();
    },
    databaseCpuMicros: () => cpuOfTree(cluster.pid() ?? 0),
    onClose: (end) => void shared.push(end),
    async close() {
      for (const end of shared.reverse()) await end();
      await admin.end({ timeout: 5 });
      await cluster.remove();
    },
  };
}

/** Of a process and all below it, from /proc, in steps of 10 ms. Children that ended count with their parent. */
async function cpuOfTree(root: number): Promise<number> {
  const { readdir, readFile } = await import('node:fs/promises');
  const stats = new Map<number, { parent: number; ticks: number }>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const text = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0);
    stats.set(Number(entry), { parent: Number(fields[1]), ticks });
  }
  let ticks = 0;
  for (const [pid, { ticks: own }] of stats) {
    for (let at: number | undefined = pid; at !== undefined; at = stats.get(at)?.parent) {
      if (at !== root) continue;
      ticks += own;
      break;
    }
  }
  return ticks * 10_000;
}

export interface RunningService {
  readonly url: string;
  readonly pid: number;
  operator<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T>;
  /** CPU microseconds and resident bytes of the service's process. */
  usage(): Promise<{ cpuMicros: number; rssBytes: number }>;
  publish(body: string | Buffer): Promise<void>;
  close(): Promise<void>;
}

export const operatorToken = 'bench-operator-token-bench-operator-token';

export async function startBenchService(
  databaseUrl: string,
  overrides: Partial<ServiceConfig> = {},
): Promise<RunningService> {
  const config: ServiceConfig = {
    host: '127.0.0.1',
    port: 0,
    dataDir: '/nonexistent',
    databaseUrl,
    operatorToken,
    logLevel: 'error',
    insecureTargets: 'loopback',
    dev: true,
    role: 'all',
    operatorRequestsPerSecond: 0,
    ...overrides,
  };
  // BENCH_CPU_PROF=<folder> keeps a CPU profile of every service process.
  const profiles = process.env['BENCH_CPU_PROF'];
  const execArgv = profiles ? ['--cpu-prof', '--cpu-prof-dir', profiles] : [];
  const entry = fileURLToPath(new URL('service-process.js', import.meta.url));
  const child = fork(entry, [JSON.stringify(config)], { execArgv });
  const { url } = await reply<{ url: string }>(child);
  const pool = new Pool(url, { connections: 16, headersTimeout: 120_000, bodyTimeout: 120_000 });
  const headers = { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' };
  return {
    url,
    pid: child.pid ?? 0,
    async operator(method, path, body) {
      const response = await pool.request({
        method,
        path,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
      });
      const text = await response.body.text();
      if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
      return text === '' ? undefined : JSON.parse(text);
    },
    usage() {
      child.send('usage');
      return reply(child);
    },
    async publish(body) {
      const response = await pool.request({ method: 'POST', path: '/operator/events', headers, body });
      await response.body.dump();
      if (response.statusCode !== 202) throw new Error(`publishing: ${response.statusCode}`);
    },
    async close() {
      await pool.close();
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.send('close');
      await exited;
    },
  };
}

function reply<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`The service process ended with ${code}.`));
    child.once('exit', onExit);
    child.once('message', (message: T) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}

export async function makeTenant(service: RunningService): Promise<string> {
  const { client_id } = await service.operator<{ client_id: string }>('POST', '/operator/tenants', { name: 'bench' });
  return client_id;
}

export interface WebhookSpec {
  readonly url: string;
  readonly type?: readonly string[];
  readonly delay?: string;
  readonly maxPackageSize?: number;
}

/** Many webhooks at once: rows as the API writes them, enabled at the head of their partition. */
export async function makeWebhooks(
  database: FreshDatabase,
  clientId: string,
  specs: readonly WebhookSpec[],
): Promise<void> {
  const rows = specs.map((spec) => ({ id: randomUUID(), ...spec }));
  for (let start = 0; start < rows.length; start += 1_000) {
    const part = rows.slice(start, start + 1_000);
    await database.sql.unsafe(
      `insert into webhooks (id, client_id, partition, title, url, enabled, type, delay, max_package_size, started_at, cursor)
       select v.id, t.client_id, t.partition, 'bench', v.url, true, v.type, v.delay, v.max, now(),
         (select head from partitions where id = t.partition)
       from tenants t, json_to_recordset($2::text::json) as v (id uuid, url text, type text[], delay text, max integer)
       where t.client_id = $1`,
      [
        clientId,
        JSON.stringify(
          part.map(({ id, url, type = ['ALL'], delay = '1s', maxPackageSize = 65_536 }) => ({
            id,
            url,
            type,
            delay,
            max: maxPackageSize,
          })),
        ),
      ],
    );
  }
}

/** Resolves when attempts say that so many events were delivered to the tenant's webhooks. */
export async function delivered(database: FreshDatabase, clientId: string, deliveries: number): Promise<void> {
  for (;;) {
    const [row] = await database.sql<{ count: number }[]>`
      select coalesce(sum(event_count), 0)::integer as count from attempts where ok and client_id = ${clientId}`;
    if ((row?.count ?? 0) >= deliveries) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
