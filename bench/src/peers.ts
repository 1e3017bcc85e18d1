// The same work done by job queues: N events for three endpoints, a real HTTP receiver, all acknowledged, publishing at the same
// time. On the same machine in the same run.
//
// The peers live in bench/peers, pinned exactly and installed apart (`npm install --prefix bench/peers`), so that nobody else has
// to. BullMQ needs redis-server.

import { fork, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Bed, FreshDatabase } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { service } from './deliver.ts';
import { publishBodies } from './events.ts';
import type { Measures } from './rounds.ts';
import { startSink } from './sink.ts';

const events = 10_000;
const endpoints = 3;
const folder = new URL('../../../peers/', import.meta.url);

interface PeerReport {
  readonly seconds: number;
  readonly cpuMicros: number;
  readonly rssBytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const peers: Benchmark = {
  name: 'peers',
  question: 'Compared with the job queues one would use otherwise?',
  caveat:
    'The queues sign with HMAC and post one event at a time, in no order; Bellhop signs with P-521 or Ed25519 and posts packages of up to 64 KiB, in order. A receiver must take packages to gain from them. Redis keeps nothing on disk. "No queue" posts the same requests without storing anything: what the machine gives, and what the queues are read beside (elsewhere, tuned alike, they reached 0.24 to 0.29 of it).',
  packages: [],
  async variants(bed) {
    if (!existsSync(new URL('node_modules', folder))) throw new Error('Run npm install --prefix bench/peers first.');
    return [
      { name: 'no queue', run: () => peer(bed, 'no-queue', {}) },
      { name: 'BullMQ', run: () => withRedis((redisUrl) => peer(bed, 'bullmq', { redisUrl })) },
      { name: 'pg-boss', run: () => onDatabase(bed, 'pg-boss') },
      { name: 'graphile-worker', run: () => onDatabase(bed, 'graphile-worker') },
      { name: 'bellhop, P-521', run: () => service(bed, 'ecdsa-p521') },
      { name: 'bellhop, Ed25519', run: () => service(bed, 'ed25519') },
    ];
  },
  ratios: ['BullMQ', 'pg-boss', 'graphile-worker'].flatMap((to) => [
    { what: `${to} beside no queue`, of: to, to: 'no queue', measure: 'deliveriesPerSecond' },
    { what: `P-521 beside ${to}`, of: 'bellhop, P-521', to, measure: 'deliveriesPerSecond', target: { min: 4 } },
    { what: `Ed25519 beside ${to}`, of: 'bellhop, Ed25519', to, measure: 'deliveriesPerSecond', target: { min: 8 } },
    ...(to === 'BullMQ'
      ? []
      : [
          {
            what: `WAL beside ${to}`,
            of: 'bellhop, P-521',
            to,
            measure: 'walBytesPerDelivery',
            target: { max: 0.2 },
          },
        ]),
  ]),
};

async function onDatabase(bed: Bed, name: string): Promise<Measures> {
  const database = await bed.database();
  try {
    return await peer(bed, name, { databaseUrl: database.url }, database);
  } finally {
    await database.drop();
  }
}

async function peer(
  bed: Bed,
  name: string,
  addresses: Record<string, string>,
  database?: FreshDatabase,
): Promise<Measures> {
  const sink = await startSink();
  const [example = ''] = publishBodies('peer', 1, 1);
  const { object } = JSON.parse(example).events[0];
  const walBefore = (await database?.wal()) ?? 0;
  const cpuBefore = await bed.databaseCpuMicros();
  const input = { ...addresses, sinkUrl: sink.url, events, endpoints, object };
  const child = fork(fileURLToPath(new URL(`${name}.mjs`, folder)), [JSON.stringify(input)]);
  const report = await new Promise<PeerReport>((resolve, reject) => {
    child.once('message', (message: PeerReport) => resolve(message));
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}.`)));
  });
  const walAfter = (await database?.wal()) ?? 0;
  const cpuAfter = await bed.databaseCpuMicros();
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
  sink.close();
  const deliveries = events * endpoints;
  return {
    deliveriesPerSecond: deliveries / report.seconds,
    serviceCpuMicrosPerDelivery: report.cpuMicros / deliveries,
    ...(database
      ? {
          databaseCpuMicrosPerDelivery: (cpuAfter - cpuBefore) / deliveries,
          walBytesPerDelivery: (walAfter - walBefore) / deliveries,
        }
      : {}),
    rssMiB: report.rssBytes / 2 ** 20,
    p50Ms: report.p50Ms,
    p99Ms: report.p99Ms,
  };
}

async function withRedis<T>(work: (url: string) => Promise<T>): Promise<T> {
  const port = await freePort();
  const server = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('Ready to accept connections')) resolve();
    });
  });
  try {
    return await work(`redis://127.0.0.1:${port}`);
  } finally {
    server.kill();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
