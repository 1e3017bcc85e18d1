// The world that faults happen to: a PostgreSQL cluster of its own, tenants with webhooks and endpoints, publishers, and
// service processes that come and go. `settle` waits until everything accepted was acknowledged and then judges.

import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@bellhop/client';
import postgres from 'postgres';
import { type Cluster, startCluster } from '../support/postgres-cluster.ts';
import { type Endpoint, startEndpoint } from './endpoint.ts';
import { type Publishers, startPublishers } from './publishers.ts';
import type { Chance } from './seed.ts';
import { operator, type ServeOptions, type ServeProcess, startServe } from './serve-process.ts';
import { isFor, judge, type Verdict, type WatchedWebhook } from './verdict.ts';

const settleTimeoutMs = 60_000;
const packageBytes = 2_048;

export interface World {
  readonly cluster: Cluster;
  /** As superuser, straight to the cluster. */
  readonly sql: postgres.Sql;
  readonly webhooks: readonly WatchedWebhook[];
  readonly endpoints: readonly Endpoint[];
  readonly publishers: Publishers;
  /** Processes that answer the API, where publishers go. */
  readonly apis: Set<ServeProcess>;
  start(options?: Partial<ServeOptions>): Promise<ServeProcess>;
  /** SIGKILL. */
  kill(process: ServeProcess): Promise<void>;
  /** Immediate shutdown of the database server: no checkpoint, connections cut. */
  crashDatabase(): Promise<void>;
  startDatabase(): Promise<void>;
  /** Publishing pauses, everything accepted arrives, the verdict is given, publishing goes on. */
  settle(): Promise<Verdict>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly chance: Chance;
  readonly tenants?: number;
  readonly webhooksPerTenant?: number;
  readonly pauseMs?: number;
  /** Where the first service and publishers go, when not to the cluster directly. */
  readonly databaseUrl?: (cluster: Cluster) => Promise<string>;
  /** Role of the first process. */
  readonly role?: 'all' | 'api';
  readonly cluster?: Cluster;
}

const filters: readonly (readonly string[])[] = [['ALL'], ['ORDER', 'USER'], ['EXECUTION']];

export async function makeWorld(options: WorldOptions): Promise<World> {
  const { chance, tenants = 3, webhooksPerTenant = 3, pauseMs = 100 } = options;
  const cluster = options.cluster ?? (await startCluster());
  const databaseUrl = (await options.databaseUrl?.(cluster)) ?? cluster.url;
  const sql = postgres(cluster.url, { max: 2, onnotice: () => {}, backoff: () => 0.1 });
  const processes = new Set<ServeProcess>();
  const apis = new Set<ServeProcess>();
  const webhooks: WatchedWebhook[] = [];
  let died: Error | undefined;
  const check = () => {
    if (died) throw died;
  };

  async function start(given: Partial<ServeOptions> = {}): Promise<ServeProcess> {
    const serve = { role: 'all' as const, databaseUrl, ...given };
    const service = await startServe(serve);
    processes.add(service);
    void service.exited.then((code) => {
      // Nobody killed it: a service survives whatever happens to its connections.
      if (processes.delete(service))
        died ??= new Error(`A service ended with ${code}:\n${service.said().slice(-4_000)}`);
      apis.delete(service);
    });
    if (serve.role !== 'worker') apis.add(service);
    return service;
  }

  let publishers: Publishers | undefined;
  async function close(): Promise<void> {
    for (const { endpoint } of webhooks) endpoint.behave = () => 'ok';
    // Publishers give up nothing that they began: without a service they would wait for ever.
    if (apis.size > 0) await publishers?.stop();
    const left = [...processes];
    processes.clear();
    await Promise.all(left.map((service) => service.kill()));
    await Promise.all(webhooks.map(({ endpoint }) => endpoint.close()));
    await sql.end({ timeout: 1 });
    await cluster.remove();
  }

  try {
    const first = await start({ role: options.role ?? 'all' });
    const clientIds: string[] = [];
    for (let tenant = 0; tenant < tenants; tenant += 1) {
      const { clientId, client } = await makeTenant(first.url, `tenant ${tenant}`);
      clientIds.push(clientId);
      for (let index = 0; index < webhooksPerTenant; index += 1) {
        const type = filters[index % filters.length] ?? ['ALL'];
        const endpoint = await startEndpoint();
        const config = { delay: '1s', max_package_size: packageBytes };
        const { id } = await client.webhooks.create({ title: 'fault', url: endpoint.url, type: [...type], config });
        await client.webhooks.enable(id);
        webhooks.push({ id, clientId, type, endpoint });
      }
    }
    const urls = () => [...apis].map(({ url }) => url);
    const load = startPublishers({ tenants: clientIds, urls, chance, pauseMs, check });
    publishers = load;

    return {
      cluster,
      sql,
      webhooks,
      endpoints: webhooks.map(({ endpoint }) => endpoint),
      publishers: load,
      apis,
      start,
      async kill(service) {
        apis.delete(service);
        processes.delete(service);
        await service.kill();
      },
      crashDatabase: () => endPostmaster(cluster),
      startDatabase: () => startAgain(cluster),
      async settle() {
        await load.pause();
        await allAcknowledged(sql, webhooks, check);
        check();
        const verdict = await judge(sql, load.accepted, webhooks);
        load.resume();
        return verdict;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function makeTenant(url: string, name: string) {
  const made = await operator<{ client_id: string; client_secret: string }>(url, 'POST', '/operator/tenants', { name });
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { key_id } = await operator<{ key_id: string }>(url, 'POST', `/operator/tenants/${made.client_id}/keys`, {
    public_key: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  });
  const client = createClient({
    baseUrl: url,
    clientId: made.client_id,
    clientSecret: made.client_secret,
    key: { keyId: key_id, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    scopes: ['webhooks:admin', 'webhooks:read'],
  });
  return { clientId: made.client_id, client };
}

/** What was accepted is in the log, so the log says what must arrive. */
async function allAcknowledged(
  sql: postgres.Sql,
  webhooks: readonly WatchedWebhook[],
  check: () => void,
): Promise<void> {
  const log = await sql<{ client_id: string; id: string; type: string }[]>`select client_id, id, type from events`;
  const deadline = Date.now() + settleTimeoutMs;
  for (const webhook of webhooks) {
    const wanted = log.filter((row) => isFor(webhook, row)).map(({ id }) => id);
    const missing = () => {
      const got = new Set(webhook.endpoint.receipts.filter((one) => one.acknowledged).flatMap(({ ids }) => ids));
      return wanted.filter((id) => !got.has(id)).length;
    };
    // What is still missing at the deadline is counted as lost by the verdict.
    while (missing() > 0 && Date.now() < deadline) {
      check();
      await sleep(50);
    }
  }
}

async function endPostmaster(cluster: Cluster): Promise<void> {
  const pid = cluster.pid();
  if (pid === undefined) throw new Error('The server does not run.');
  process.kill(pid, 'SIGQUIT');
  while (isAlive(pid)) await sleep(10);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function startAgain(cluster: Cluster): Promise<void> {
  await cluster.start();
}
