// The settings of the delivery engine: time-outs, sizes, retention. Their rows of the table in settings.ts, how they are read,
// and what the service gets of them. The defaults are the service's own.

import type { ServiceConfig } from '@bellhop/server';
import { usageError } from './exit.ts';
import { type Given, wholeNumber } from './security-settings.ts';
import type { Setting } from './settings.ts';

const keptAttempts = ['all', 'failed', 'sampled'] as const;

export interface EngineSettings {
  readonly connectTimeoutMs: number | undefined;
  readonly responseTimeoutMs: number | undefined;
  readonly deliveryConcurrency: number | undefined;
  readonly ringMib: number | undefined;
  readonly databaseConnections: number | undefined;
  readonly partitions: number | undefined;
  readonly eventDays: number | undefined;
  readonly attemptDays: number | undefined;
  readonly auditDays: number | undefined;
  readonly attempts: (typeof keptAttempts)[number] | undefined;
}

function row(
  name: keyof EngineSettings,
  variable: string,
  flag: string,
  description: string,
  fallback: string,
): Setting {
  return {
    name,
    variable,
    flag,
    description,
    defaults: { dev: fallback, serve: fallback },
    commands: ['dev', 'serve'],
  };
}

export const engineSettingsTable: readonly Setting[] = [
  row(
    'connectTimeoutMs',
    'BELLHOP_CONNECT_TIMEOUT_MS',
    '--connect-timeout-ms <milliseconds>',
    'name, TCP and TLS of a delivery together',
    '3000',
  ),
  row(
    'responseTimeoutMs',
    'BELLHOP_RESPONSE_TIMEOUT_MS',
    '--response-timeout-ms <milliseconds>',
    'a whole delivery, connecting included',
    '10000',
  ),
  row(
    'deliveryConcurrency',
    'BELLHOP_DELIVERY_CONCURRENCY',
    '--delivery-concurrency <number>',
    'deliveries of one process at a time',
    '256',
  ),
  row('ringMib', 'BELLHOP_RING_MIB', '--ring-mib <number>', 'memory for recent events, shared by all lanes', '32'),
  row(
    'databaseConnections',
    'BELLHOP_DATABASE_CONNECTIONS',
    '--database-connections <number>',
    'to PostgreSQL, of one process, besides two that listen',
    '10',
  ),
  row(
    'partitions',
    'BELLHOP_PARTITIONS',
    '--partitions <number>',
    'of the log; the count can grow, never shrink',
    '64',
  ),
  row('eventDays', 'BELLHOP_EVENT_DAYS', '--event-days <days>', 'how long delivered events are kept', '30'),
  row('attemptDays', 'BELLHOP_ATTEMPT_DAYS', '--attempt-days <days>', 'how long attempts are kept', '14'),
  row('auditDays', 'BELLHOP_AUDIT_DAYS', '--audit-days <days>', 'how long the audit trail is kept', '400'),
  row('attempts', 'BELLHOP_ATTEMPTS', '--attempts <which>', 'attempts that are kept: all, failed or sampled', 'all'),
];

export function readEngineSettings(given: (name: keyof EngineSettings) => Given | undefined): EngineSettings {
  const count = (name: keyof EngineSettings) => wholeNumber(given(name), 1);
  return {
    connectTimeoutMs: count('connectTimeoutMs'),
    responseTimeoutMs: count('responseTimeoutMs'),
    deliveryConcurrency: count('deliveryConcurrency'),
    ringMib: count('ringMib'),
    databaseConnections: wholeNumber(given('databaseConnections'), 2),
    partitions: count('partitions'),
    eventDays: count('eventDays'),
    attemptDays: count('attemptDays'),
    auditDays: count('auditDays'),
    attempts: which(given('attempts')),
  };
}

export function engineConfig({ ringMib, ...settings }: EngineSettings): Partial<ServiceConfig> {
  const { connectTimeoutMs, responseTimeoutMs, deliveryConcurrency, databaseConnections } = settings;
  const { partitions, eventDays, attemptDays, auditDays, attempts } = settings;
  return {
    connectTimeoutMs,
    responseTimeoutMs,
    deliveryConcurrency,
    databaseConnections,
    ringBytes: ringMib === undefined ? undefined : ringMib * 1024 * 1024,
    partitions,
    eventDays,
    attemptDays,
    auditDays,
    attempts,
  };
}

function which(given: Given | undefined): EngineSettings['attempts'] {
  if (given === undefined) return undefined;
  const found = keptAttempts.find((value) => value === given.value);
  if (found === undefined) {
    throw usageError(`${given.source} must be one of ${keptAttempts.join(', ')}, not "${given.value}".`);
  }
  return found;
}
