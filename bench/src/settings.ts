// Are the defaults right? The work of `deliver` with one setting changed at a time: memory of the ring, connections to the
// database, deliveries at a time, which attempts are kept.

import type { ServiceConfig } from '@bellhop/server';
import type { Benchmark } from './benchmark.ts';
import { service } from './deliver.ts';

const mebi = 2 ** 20;

const changes: Readonly<Record<string, Partial<ServiceConfig>>> = {
  'ring 4 MiB': { ringBytes: 4 * mebi },
  'ring 16 MiB': { ringBytes: 16 * mebi },
  'ring 64 MiB': { ringBytes: 64 * mebi },
  'ring 256 MiB': { ringBytes: 256 * mebi },
  '3 connections': { databaseConnections: 3 },
  '30 connections': { databaseConnections: 30 },
  '2 deliveries at a time': { deliveryConcurrency: 2 },
  '32 deliveries at a time': { deliveryConcurrency: 32 },
  '1,024 deliveries at a time': { deliveryConcurrency: 1_024 },
  'failed attempts kept': { attempts: 'failed' },
};

export const settings: Benchmark = {
  name: 'settings',
  question: 'What do the settings change?',
  caveat:
    'The defaults are 32 MiB, 10 connections, 256 deliveries at a time, all attempts; one of them differs in each row.',
  async variants(bed) {
    const variants = { defaults: {}, ...changes };
    return Object.entries(variants).map(([name, change]) => ({ name, run: () => service(bed, 'ed25519', change) }));
  },
  ratios: Object.keys(changes).map((of) => ({
    what: `${of} beside the defaults`,
    of,
    to: 'defaults',
    measure: 'deliveriesPerSecond',
  })),
};
