// For tests of delivery: a database with one tenant, the real log, ledger, sender and worker on it, and a receiver over
// real HTTP that keeps what arrives and answers as told.

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importVerificationKey, staticKeys, verify } from '@bellhop/signatures';
import { v4 as uuidv4 } from 'uuid';
import { createServiceKeys } from '../keys/postgres-service-keys.ts';
import type { NewEvent } from '../log/event-log.ts';
import { createPostgresLog } from '../log/postgres-log.ts';
import type { Database } from '../store/database.ts';
import { ensurePartitions, migrate } from '../store/migrate.ts';
import { createSignals } from '../store/signals.ts';
import { createTargetPolicy } from '../targets/target-policy.ts';
import { type Clock, systemClock } from './clock.ts';
import { createLedger } from './ledger.ts';
import { createSender, type SenderOptions } from './sender.ts';
import { Worker } from './worker.ts';

export interface ReceivedPackage {
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
  readonly ids: readonly string[];
  /** What it was answered; 0 as long as it was not. */
  status: number;
  /** The sender has closed the connection. */
  isCutOff(): boolean;
}

type Answer = number | 'hang' | 'reset';

export interface Receiver {
  readonly url: string;
  readonly packages: ReceivedPackage[];
  /** Decides the answer to the n-th request, from 0; a promise holds it back, `hang` never answers. */
  answer: (index: number) => Answer | Promise<Answer>;
  /** Resolves when the condition holds, checked at every arrival. */
  until(condition: () => boolean, timeoutMs?: number): Promise<void>;
  /** Distinct event ids of acknowledged packages, in the order of their first arrival. */
  delivered(): string[];
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const watchers = new Set<() => void>();
  const packages: ReceivedPackage[] = [];
  let index = 0;
  const receiver: Receiver = {
    url: '',
    packages,
    answer: () => 200,
    until: (condition, timeoutMs = 30_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          watchers.delete(check);
          reject(new Error(`The receiver waited in vain; it has ${packages.length} packages.`));
        }, timeoutMs);
        const check = () => {
          if (!condition()) return;
          clearTimeout(timer);
          watchers.delete(check);
          resolve();
        };
        watchers.add(check);
        check();
      }),
    delivered: () => [...new Set(packages.filter(({ status }) => status === 200).flatMap(({ ids }) => ids))],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const notify = () => {
    for (const check of [...watchers]) check();
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const decided = receiver.answer(index);
    index += 1;
    const payload: { id: string }[] = JSON.parse(body).payload;
    const received: ReceivedPackage = {
      body,
      headers: request.headers,
      ids: payload.map(({ id }) => id),
      status: 0,
      isCutOff: () => request.socket.destroyed,
    };
    packages.push(received);
    if (decided instanceof Promise) notify();
    const answer = await decided;
    if (answer === 'reset') request.socket.destroy();
    else if (answer !== 'hang' && !request.socket.destroyed) {
      received.status = answer;
      response.writeHead(answer).end();
    }
    notify();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(receiver, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks?x=1` });
}

export async function startDelivery(
  database: Database,
  options: { partitions?: number; ringBytes?: number; leaseMs?: number } = {},
) {
  await migrate(database);
  await ensurePartitions(database, options.partitions ?? 2);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const signals = await createSignals(database, { onError });
  const log = createPostgresLog({ database, signals });
  const keys = createServiceKeys({ database });
  const policy = createTargetPolicy({ insecure: 'loopback' });

  function newWorker(clock: Clock = systemClock, senderOptions: Pick<SenderOptions, 'maxConnectionsPerOrigin'> = {}) {
    const sender = createSender({ policy, keys, ...senderOptions });
    const worker = new Worker({
      database,
      log,
      ledger: createLedger(database),
      sender,
      signals,
      clock,
      leaseMs: options.leaseMs,
      onError,
      ...(options.ringBytes === undefined ? {} : { ringBytes: options.ringBytes }),
    });
    return {
      worker,
      queued: () => sender.stats().queued,
      async stop(graceMs = 2_000) {
        await worker.stop(graceMs);
        await sender.close();
      },
    };
  }

  return {
    database,
    signals,
    log,
    keys,
    errors,
    newWorker,
    async tenant(partition = 0): Promise<string> {
      const clientId = uuidv4();
      await database.query(
        `insert into tenants (client_id, name, scopes, partition, secret_hash) values ($1, 'Acme', '{}', $2, 'x')`,
        [clientId, partition],
      );
      return clientId;
    },
    /** An enabled webhook that stands at the head of its partition. */
    async webhook(
      clientId: string,
      url: string,
      config: { type?: string[]; exclude?: string[]; delay?: string; max?: number; enabled?: boolean } = {},
    ): Promise<string> {
      const id = uuidv4();
      const [row] = await database.query<{ partition: number }>(
        `insert into webhooks (id, client_id, partition, title, url, enabled, type, exclude_type, delay,
           max_package_size, started_at, cursor)
         select $1, client_id, partition, 'test', $3, $4, $5, $6, $7, $8, now(),
           (select head from partitions where id = partition)
         from tenants where client_id = $2 returning partition`,
        [
          id,
          clientId,
          url,
          config.enabled ?? true,
          config.type ?? ['ALL'],
          config.exclude ?? null,
          config.delay ?? '1s',
          config.max ?? 10_240,
        ],
      );
      signals.webhookChanged({ partition: row?.partition ?? 0, webhookId: id });
      return id;
    },
    /** Changes columns as the API does, and says so. */
    async change(webhookId: string, set: string): Promise<void> {
      const [row] = await database.query<{ partition: number }>(
        `update webhooks set version = version + 1, ${set} where id = $1 returning partition`,
        [webhookId],
      );
      if (row) signals.webhookChanged({ partition: row.partition, webhookId });
    },
    /** Publishes and answers the ids in order. */
    async publish(clientId: string, types: readonly string[], padding = 0): Promise<string[]> {
      const [tenant] = await database.query<{ partition: number }>(
        'select partition from tenants where client_id = $1',
        [clientId],
      );
      const events = types.map((type): NewEvent => {
        const id = uuidv4();
        const created_at = new Date().toISOString();
        return {
          clientId,
          id,
          type,
          body: JSON.stringify({ id, created_at, type, object: { pad: 'x'.repeat(padding) } }),
        };
      });
      await log.append(tenant?.partition ?? 0, events);
      return events.map(({ id }) => id);
    },
    /** Verifies a package as a receiver would. */
    async verifies({ headers, body }: ReceivedPackage, path = '/hooks', query = 'x=1'): Promise<boolean> {
      const published = await keys.published();
      const result = await verify(
        { method: 'POST', path, query, headers, body: Buffer.from(body) },
        { keys: staticKeys(published.map((jwk) => importVerificationKey(jwk.kid, { ...jwk }))), versions: [6] },
      );
      return result.ok;
    },
    async row(webhookId: string) {
      const [row] = await database.query<Record<string, unknown>>('select * from webhooks where id = $1', [webhookId]);
      return row;
    },
    attempts: (webhookId: string) =>
      database.query<Record<string, unknown>>('select * from attempts where webhook_id = $1 order by id', [webhookId]),
  };
}
